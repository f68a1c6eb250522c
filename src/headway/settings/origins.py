"""What each value of an environment is, and which line of the file it comes from.

Called by `headway config show` and `headway config explain`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from headway.document import Mapping, Mark, Path, find
from headway.model.errors import Invalid
from headway.model.service import Environment, HttpTest, Service, StepPolicy, Tests
from headway.settings import goal_rows
from headway.settings.keys import BLOCKS, Key, keys
from headway.settings.merging import effective
from headway.settings.reading import parse
from headway.settings.sentences import near
from headway.settings.units import duration, memory, percent

_Row = tuple[Path, str]


@dataclass(frozen=True, slots=True)
class Origin:
    """One value in force. `key` is dotted, `value` as the file would write it.

    `at` is where it is written, None for a default.
    """

    key: str
    value: str
    at: Mark | None


def explain(text: str, file: str, environment: str) -> tuple[Origin, ...]:
    """Every value that the environment gets, merged, with its origin.

    Raises Invalid: the file's own problems, or `unknown-name` for the environment.
    """
    return explained(*parse(text, file), environment)


def explained(root: Mapping, service: Service, environment: str) -> tuple[Origin, ...]:
    """As `explain`, of a tree and the service made of it."""
    names = [e.name for e in service.environments]
    if environment not in names:
        raise Invalid(
            f"no environment is called `{environment}`",
            why=near(environment, names).strip(),
            next=f"headway config show --env {names[-1]}",
            code="unknown-name",
        )
    merged = effective(root, environment)
    rows = _rows(service.environment(environment))
    return (
        *(Origin(".".join(map(str, p)), value, _origin(merged, p)) for p, value in rows),
        *(
            Origin(".".join(map(str, p)), value, _origin(root, p))
            for p, value in goal_rows.of_service(service)
        ),
    )


def key(path: str) -> tuple[Key, ...]:
    """What there is to say of a key: several answers if strategies differ, or if only the last
    word is given. Raises Invalid (`unknown-key`) with a suggestion.
    """
    found = _named(path, keys()) or _named(path, keys(planned=True))
    if not found:
        raise Invalid(
            f"there is no key `{path}`",
            why=near(path, (k.path for k in keys())).strip(),
            next="headway config schema",
            code="unknown-key",
        )
    return found


def _named(path: str, known: tuple[Key, ...]) -> tuple[Key, ...]:
    exact = tuple(k for k in known if _is(path, k.path))
    return exact or tuple(k for k in known if k.path.split(".")[-1] == path)


def _is(path: str, known: str) -> bool:
    """Whether it is that key; any name may stand for NAME, and `[]` may be left out."""
    given, wanted = (p.replace("[]", "").split(".") for p in (path, known))
    return len(given) == len(wanted) and all(
        w in (g, "NAME") for g, w in zip(given, wanted, strict=True)
    )


def written(text: str, file: str, path: str) -> tuple[tuple[str, Mark], ...]:
    """Where a key is set in this file: its full path there, and its place. Raises Invalid."""
    root, service = parse(text, file)
    parts = tuple(path.replace("[]", "").split("."))
    inside = [("environments", e.name) for e in service.environments]
    prefixes: list[Path] = [(), *inside] if parts[0] in BLOCKS else [()]
    if parts[:2] == ("environments", "NAME"):
        prefixes, parts = list(inside), parts[2:]
    return tuple(_places(root, prefixes, parts))


def _places(root: Mapping, prefixes: list[Path], parts: Path) -> Iterator[tuple[str, Mark]]:
    for prefix in prefixes:
        for path in _named_so(root, prefix, parts):
            if node := find(root, path):
                yield ".".join(map(str, path)), node.at


def _named_so(root: Mapping, done: Path, parts: Path) -> Iterator[Path]:
    """The paths that `parts` means: NAME stands for every name that is written there."""
    if "NAME" not in parts:
        yield (*done, *parts)
        return
    at = parts.index("NAME")
    block = find(root, (*done, *parts[:at]))
    for name in block.keys() if isinstance(block, Mapping) else ():
        yield from _named_so(root, (*done, *parts[:at], name), parts[at + 1 :])


def _origin(merged: Mapping, path: Path) -> Mark | None:
    node = find(merged, path)
    return node.at if node else None


def _rows(e: Environment) -> Iterator[_Row]:
    """Every value in the order of the reference. Lists are one value."""
    yield ("tier",), e.tier
    yield ("auto",), _flag(e.auto)
    yield ("after",), ", ".join(e.after) or "nothing"
    yield ("queue",), e.queue
    yield from _train(e)
    yield from _run(e)
    yield from _health(e)
    for name, value in e.env.items():
        yield ("env", name), value
    yield from _rollout(e)
    yield from _analysis(e)
    yield from _traffic(e)
    yield ("tests",), _tests(e.tests)
    yield from _gates(e)
    yield ("target", "kind"), e.target


def _train(e: Environment) -> Iterator[_Row]:
    if e.train:
        yield ("train", "schedule"), e.train.schedule
        yield ("train", "zone"), e.train.zone
        if e.train.name:
            yield ("train", "name"), e.train.name
        if e.train.order:
            yield ("train", "order"), ", ".join(e.train.order)


def _run(e: Environment) -> Iterator[_Row]:
    run = e.run
    yield ("run", "command"), run.command
    yield ("run", "instances"), str(run.instances)
    yield ("run", "resources", "cpu"), "no limit" if run.cpu is None else f"{run.cpu:g}"
    limit = "no limit" if run.memory_bytes is None else memory(run.memory_bytes)
    yield ("run", "resources", "memory"), limit
    yield ("run", "stop", "grace"), duration(run.stop_grace_seconds)
    yield ("run", "stop", "signal"), run.stop_signal
    yield ("run", "path"), run.path or "the artifact's root"


def _health(e: Environment) -> Iterator[_Row]:
    health = e.health
    if health.path:
        yield ("health", "path"), health.path
    if health.live:
        yield ("health", "live"), health.live
    if health.command:
        yield ("health", "command"), health.command
    yield ("health", "interval"), duration(health.interval_seconds)
    yield ("health", "timeout"), duration(health.timeout_seconds)
    yield ("health", "ready_within"), duration(health.ready_within_seconds)


def _rollout(e: Environment) -> Iterator[_Row]:
    rollout = e.rollout
    yield ("rollout", "strategy"), rollout.strategy
    if rollout.strategy == "canary":
        yield ("rollout", "steps"), ", ".join(_step(step) for step in rollout.steps)
        yield ("rollout", "bake"), _bakes(e)
        yield ("rollout", "holdback"), percent(rollout.holdback)
        if rollout.ignore_fields:
            yield ("rollout", "ignore_fields"), ", ".join(rollout.ignore_fields)
    elif rollout.strategy == "blue-green":
        yield ("rollout", "bake"), duration(rollout.bake_seconds)
        yield ("rollout", "keep_old"), duration(rollout.keep_old_seconds)
    elif rollout.strategy == "shadow":
        yield ("rollout", "mirror"), percent(rollout.mirror)
        yield ("rollout", "bake"), duration(rollout.mirror_bake_seconds)
        yield ("rollout", "ignore_fields"), ", ".join(rollout.ignore_fields) or "none"
    else:
        yield ("rollout", "max_surge"), str(rollout.max_surge)
        yield ("rollout", "max_unavailable"), str(rollout.max_unavailable)
    yield ("rollout", "stability"), duration(rollout.stability_seconds)
    yield ("rollout", "deadline"), duration(rollout.deadline_seconds)
    yield ("rollout", "on_fail"), rollout.on_fail


def _step(step: StepPolicy) -> str:
    bake = f" for {duration(step.bake_seconds)}" if step.bake_seconds is not None else ""
    approvals = f" with {step.approvals} approval(s)" if step.approvals else ""
    share = f"mirror {percent(step.mirror)}" if step.mirror else percent(step.share)
    return f"{share}{bake}{approvals}"


def _bakes(e: Environment) -> str:
    """The least time of each canary step but the last: as written, else the pace's floor."""
    floors = e.analysis.pace.floors
    bakes = [step.bake_seconds for step in e.rollout.steps[:-1]]
    least = (floors[min(i, len(floors) - 1)] if b is None else b for i, b in enumerate(bakes))
    return ", ".join(duration(seconds) for seconds in least) or "none"


def _analysis(e: Environment) -> Iterator[_Row]:
    analysis = e.analysis
    yield ("analysis", "errors", "absolute"), percent(analysis.errors_absolute)
    yield ("analysis", "errors", "relative"), percent(analysis.errors_relative)
    yield ("analysis", "latency", "relative"), percent(analysis.latency_relative)
    points = [f"p{100 * (1 - above):g}" for above in analysis.latency_above]
    points += [duration(ms / 1000) for ms in analysis.latency_ms]
    yield ("analysis", "latency", "at"), ", ".join(points) or "what the judge chooses"
    yield ("analysis", "confidence"), percent(analysis.confidence)
    yield ("analysis", "insufficient_data"), analysis.insufficient_data
    yield ("analysis", "pace"), analysis.pace.name
    yield ("analysis", "baseline"), analysis.baseline
    yield ("analysis", "by"), ", ".join(analysis.by) or "all parts together"
    yield from goal_rows.signals(analysis.signals)


def _traffic(e: Environment) -> Iterator[_Row]:
    traffic = e.traffic
    yield ("traffic", "host"), traffic.host or "every host"
    yield ("traffic", "port"), "a free port" if traffic.port is None else str(traffic.port)
    if traffic.sticky_header:
        yield ("traffic", "sticky", "header"), traffic.sticky_header
    elif traffic.sticky_cookie:
        yield ("traffic", "sticky", "cookie"), traffic.sticky_cookie
    else:
        yield ("traffic", "sticky"), "none"
    yield ("traffic", "tester_header"), traffic.tester_header


def _tests(tests: Tests) -> str:
    asked = [_http(test) for test in tests.http]
    asked += [test.workflow for test in tests.workflows]
    asked += [f"journey {test.file}" for test in tests.journeys]
    asked += [f"contracts with {test.provider or 'this service'}" for test in tests.contracts]
    return "; ".join(asked) or "none"


def _http(test: HttpTest) -> str:
    within = "" if test.within_seconds is None else f" within {duration(test.within_seconds)}"
    return f"{test.method} {test.path} is {test.status}{within}"


def _gates(e: Environment) -> Iterator[_Row]:
    approval = e.approval
    if approval is None:
        yield ("gates", "approval"), "none"
    else:
        yield ("gates", "approval", "count"), str(approval.count)
        yield ("gates", "approval", "by"), ", ".join(approval.by) or "anybody"
        yield ("gates", "approval", "expires"), duration(approval.expires_seconds)
        yield ("gates", "approval", "not_author"), _flag(approval.not_author)
    yield ("gates", "checks"), ", ".join(e.checks) or "none but the pipeline itself"
    yield ("gates", "branches"), ", ".join(e.branches) or "any"
    yield from goal_rows.gates(e)


def _flag(value: bool) -> str:  # noqa: FBT001 - it is the value itself
    return "true" if value else "false"
