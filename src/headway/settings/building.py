"""From a merged block of the file to an Environment: defaults filled in, units gone.

The defaults are those of `headway.model.service`; only what depends on the place is decided here
(the last environment is production, production has a canary). Called by `reading`.
"""

from typing import cast

from headway.document import Mapping, Node, Scalar
from headway.model.pace import PACES
from headway.model.service import (
    Analysis,
    ApprovalPolicy,
    BurnRateGate,
    By,
    ContractTest,
    Environment,
    ErrorBudgetGate,
    Health,
    HttpTest,
    InsufficientData,
    Journey,
    RolloutPolicy,
    Run,
    Service,
    SloGate,
    StepPolicy,
    Strategy,
    Tests,
    Tier,
    Traffic,
    Train,
    WorkflowTest,
)
from headway.settings import goals, jobs, units
from headway.settings.block import Block
from headway.settings.merging import effective


def service(root: Mapping) -> Service:
    """The whole file, which the schema has approved. A missing command is empty here."""
    top, pipeline, artifact = Block(root), Block(root.get("pipeline")), Block(root.get("artifact"))
    was = Service("", ())
    return Service(
        name=top.text("service", ""),
        environments=_environments(root),
        owner=top.text("owner", None),
        description=top.text("description", was.description),
        workflow=pipeline.text("workflow", was.workflow),
        branch=pipeline.text("branch", was.branch),
        artifact_from=artifact.text("from", None),
        builders=artifact.texts("builders"),
        watch=top.texts("watch"),
        slos=goals.slos(top.block("slos")),
        alerts=goals.alerts(top.block("alerts")),
        jobs=jobs.jobs(pipeline, jobs.waivers(top)),
    )


def _environments(root: Mapping) -> tuple[Environment, ...]:
    written = root.get("environments")
    names = written.keys() if isinstance(written, Mapping) else ()
    above: tuple[tuple[str, ...], ...] = ((), *((name,) for name in names))
    return tuple(
        _environment(name, effective(root, name), last=name == names[-1], above=before)
        for name, before in zip(names, above, strict=False)
    )


def _environment(name: str, merged: Mapping, *, last: bool, above: tuple[str, ...]) -> Environment:
    block = Block(merged)
    tier = cast("Tier", block.text("tier", "production" if last else "staging"))
    run, health = _run(block.block("run")), _health(block.block("health"))
    gates = block.block("gates")
    return Environment(
        name=name,
        tier=tier,
        run=run,
        health=health,
        env=_env(block.get("env")),
        rollout=_rollout(block.block("rollout"), tier, run.instances),
        analysis=_analysis(block.block("analysis")),
        traffic=_traffic(block.block("traffic")),
        tests=_tests(block, health),
        approval=_approval(gates.block("approval")) if gates.get("approval") else None,
        auto=block.flag("auto", default=True),
        after=block.texts("after") or above,
        queue="every" if block.text("queue", "latest") == "every" else "latest",
        train=_train(block.block("train")) if block.get("train") else None,
        target=block.block("target").text("kind", "local"),
        error_budget=_error_budget(gates.block("error_budget"))
        if gates.get("error_budget")
        else None,
        slo=_slo(gates.block("slo")) if gates.get("slo") else None,
        burn_rate=_burn_rate(gates.block("burn_rate")) if gates.get("burn_rate") else None,
        checks=gates.texts("checks"),
        branches=gates.texts("branches"),
    )


def _train(block: Block) -> Train:
    was = Train("")
    return Train(
        schedule=block.text("schedule", was.schedule),
        zone=block.text("zone", was.zone),
        name=block.text("name", was.name),
        order=block.texts("order"),
    )


def _error_budget(block: Block) -> ErrorBudgetGate:
    was = ErrorBudgetGate(0.0)
    then = block.text("then", was.then)
    return ErrorBudgetGate(
        left=block.fraction("left", was.left),
        then="hold" if then == "hold" else "throttle" if then == "throttle" else "fixes_only",
        pause=block.fraction("pause", was.pause),
    )


def _slo(block: Block) -> SloGate:
    return SloGate(within_seconds=block.seconds("within", SloGate().within_seconds))


def _burn_rate(block: Block) -> BurnRateGate:
    below = block.number("below")
    assert below is not None
    over = block.seconds("over", BurnRateGate(below).over_seconds)
    return BurnRateGate(below=below, over_seconds=over)


def _run(block: Block) -> Run:
    was, limits, stop = Run(""), block.block("resources"), block.block("stop")
    signal = stop.text("signal", was.stop_signal)
    return Run(
        command=block.text("command", was.command),
        instances=block.whole("instances", was.instances),
        cpu=limits.number("cpu"),
        memory_bytes=limits.size("memory"),
        stop_grace_seconds=stop.seconds("grace", was.stop_grace_seconds),
        stop_signal="INT" if signal == "INT" else "QUIT" if signal == "QUIT" else "TERM",
        path=block.text("path", was.path),
    )


def _health(block: Block) -> Health:
    was = Health()
    command = block.text("command", None)
    return Health(
        path=block.text("path", None if command else was.path),
        live=block.text("live", was.live),
        command=command,
        interval_seconds=block.seconds("interval", was.interval_seconds),
        timeout_seconds=block.seconds("timeout", was.timeout_seconds),
        ready_within_seconds=block.seconds("ready_within", was.ready_within_seconds),
    )


def _env(node: Node | None) -> dict[str, str]:
    entries = node.entries if isinstance(node, Mapping) else ()
    return {key.text: value.text for key, value in entries if isinstance(value, Scalar)}


def _rollout(block: Block, tier: Tier, instances: int) -> RolloutPolicy:
    was = RolloutPolicy()
    strategy = block.text("strategy", "canary" if tier == "production" else "rolling")
    surge = block.count("max_surge", was.max_surge, of=instances, up=True)
    unavailable = block.count("max_unavailable", was.max_unavailable, of=instances, up=False)
    return RolloutPolicy(
        strategy=cast("Strategy", strategy),
        steps=_steps(block, was.steps),
        holdback=block.fraction("holdback", was.holdback),
        bake_seconds=block.seconds("bake", was.bake_seconds),
        keep_old_seconds=block.seconds("keep_old", was.keep_old_seconds),
        max_surge=surge,
        max_unavailable=unavailable,
        stability_seconds=block.seconds(
            "stability", was.stability_seconds if tier == "production" else 0.0
        ),
        deadline_seconds=block.seconds("deadline", was.deadline_seconds),
        on_fail="hold" if block.text("on_fail", was.on_fail) == "hold" else "rollback",
        mirror=block.fraction("mirror", was.mirror),
        mirror_bake_seconds=block.seconds("bake", was.mirror_bake_seconds),
        ignore_fields=block.texts("ignore_fields"),
    )


def _steps(block: Block, default: tuple[StepPolicy, ...]) -> tuple[StepPolicy, ...]:
    """The last step ends with the stability window, so the rollout's `bake` is not for it."""
    bake = block.seconds("bake", None)
    written = [_step(node, bake) for node in block.items("steps")]
    steps = written or [StepPolicy(step.share, bake) for step in default]
    last = steps[-1]
    return (*steps[:-1], StepPolicy(last.share, None, last.approvals, last.mirror))


def _step(node: Node, bake: float | None) -> StepPolicy:
    if isinstance(node, Scalar):
        return StepPolicy(units.fraction(node.text), bake)
    block = Block(node)
    return StepPolicy(
        share=block.fraction("share", 0.0),
        bake_seconds=block.seconds("bake", bake),
        approvals=block.whole("approval", 0),
        mirror=block.fraction("mirror", 0.0),
    )


def _analysis(block: Block) -> Analysis:
    was, errors, latency = Analysis(), block.block("errors"), block.block("latency")
    policy = block.text("insufficient_data", was.insufficient_data)
    return Analysis(
        errors_absolute=errors.fraction("absolute", was.errors_absolute),
        errors_relative=errors.fraction("relative", was.errors_relative),
        latency_relative=latency.fraction("relative", was.latency_relative),
        latency_above=goals.shares_above(latency.texts("at")),
        latency_ms=goals.milliseconds(latency.texts("at")),
        confidence=block.fraction("confidence", was.confidence),
        insufficient_data=cast("InsufficientData", policy),
        pace=PACES[block.text("pace", was.pace.name)],
        signals=goals.signals(block.block("signals")),
        by=cast("tuple[By, ...]", block.texts("by")),
        baseline="snapshot" if block.text("baseline", was.baseline) == "snapshot" else "stable",
    )


def _traffic(block: Block) -> Traffic:
    was, sticky = Traffic(), block.block("sticky")
    return Traffic(
        host=block.text("host", None),
        port=block.whole("port", None),
        sticky_header=sticky.text("header", None),
        sticky_cookie=sticky.text("cookie", None),
        tester_header=block.text("tester_header", was.tester_header),
    )


def _tests(block: Block, health: Health) -> Tests:
    """Without any: the health path answers 200. With a health command there is no such path."""
    if block.get("tests") is None:
        return Tests(http=(HttpTest(health.path),) if health.path else ())
    written = [Block(node) for node in block.items("tests")]
    return Tests(
        http=tuple(_http(test.get("http")) for test in written if test.get("http")),
        workflows=tuple(
            WorkflowTest(test.text("workflow", "")) for test in written if test.get("workflow")
        ),
        journeys=tuple(
            Journey(test.text("journey", "")) for test in written if test.get("journey")
        ),
        contracts=tuple(_contract(test) for test in written if test.get("contracts") is not None),
    )


def _contract(test: Block) -> ContractTest:
    block = Block(test.get("contracts"))
    return ContractTest(block.text("provider", None), block.text("states", None))


def _http(node: Node | None) -> HttpTest:
    if isinstance(node, Scalar):
        return HttpTest(node.text)
    block, was = Block(node), HttpTest("")
    return HttpTest(
        path=block.text("path", was.path),
        method=block.text("method", was.method),
        json=block.json("json"),
        status=block.whole("status", was.status),
        contains=block.text("contains", None),
        within_seconds=block.seconds("within", None),
    )


def _approval(block: Block) -> ApprovalPolicy:
    was = ApprovalPolicy()
    return ApprovalPolicy(
        count=block.whole("count", was.count),
        by=block.texts("by"),
        expires_seconds=block.seconds("expires", was.expires_seconds),
        not_author=block.flag("not_author", default=was.not_author),
    )
