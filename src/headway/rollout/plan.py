"""From an environment's policy to the steps of one rollout. Called when a rollout begins."""

from headway.model.rollout import Plan, Step
from headway.model.service import Environment, RolloutPolicy


def plan(environment: Environment, stable_instances: int) -> Plan:
    """The plan for moving from `stable_instances` old instances (0: a first release) to this one.

    A first release has nothing to be compared with: it takes all traffic at once, is tested, and
    the judge watches it on absolute limits through the stability window.
    """
    policy, wanted = environment.rollout, environment.run.instances
    first = stable_instances == 0
    steps = (Step(1.0, wanted, 0),) if first else _steps(policy, wanted, stable_instances)
    canary = policy.strategy == "canary" and not first
    return Plan(
        strategy=policy.strategy,
        steps=steps,
        holdback=policy.holdback if canary else 0.0,
        pace=environment.analysis.pace,
        insufficient_data=environment.analysis.insufficient_data,
        stability_seconds=policy.stability_seconds,
        deadline_seconds=policy.deadline_seconds,
        keep_old_seconds=policy.keep_old_seconds if policy.strategy == "blue-green" else 0.0,
        on_fail=policy.on_fail,
        needs_traffic=canary,
    )


def _steps(policy: RolloutPolicy, wanted: int, stable: int) -> tuple[Step, ...]:
    if policy.strategy == "canary":
        return _canary(policy, wanted, stable)
    if policy.strategy == "shadow":
        bake = policy.mirror_bake_seconds
        return (Step(0.0, wanted, stable, bake, proof=True, mirror=policy.mirror),)
    if policy.strategy == "blue-green":
        return (Step(1.0, wanted, stable, floor_seconds=policy.bake_seconds),)
    return rolling(wanted, stable, policy.max_surge, policy.max_unavailable)


def _canary(policy: RolloutPolicy, wanted: int, stable: int) -> tuple[Step, ...]:
    steps = [
        Step(s.share, wanted, stable, s.bake_seconds, s.approvals, s.share < 1.0, s.mirror)
        for s in policy.steps
    ]
    last = steps[-1]
    steps[-1] = Step(1.0 - policy.holdback, wanted, stable, None, last.approvals)
    return tuple(steps)


def rolling(wanted: int, stable: int, surge: int, unavailable: int) -> tuple[Step, ...]:
    """The states (new, old) of a rolling update, one change apart: new ones up, then old ones down.

    In every state new + old <= max(wanted, stable) + surge, and what serves is at least
    min(wanted, stable) - unavailable. Raises ValueError if both bounds are 0: nothing could move.
    """
    if surge <= 0 and unavailable <= 0:
        raise ValueError("max_surge and max_unavailable cannot both be 0")
    most, least = max(wanted, stable) + surge, max(0, min(wanted, stable) - unavailable)
    steps: list[Step] = []
    new, old = 0, stable
    while (new, old) != (wanted, 0):
        up = min(wanted, most - old)
        if up > new:
            new = up
        else:
            old = 0 if new == wanted else max(0, least - new)
        steps.append(_counts(new, old))
    return tuple(steps)


def _counts(new: int, old: int) -> Step:
    return Step(new / (new + old) if new + old else 0.0, new, old)
