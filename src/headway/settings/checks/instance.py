"""Can an instance be started, asked and stopped as written?"""

from collections.abc import Iterator

from headway.document import Mapping, Scalar, find, quoted
from headway.model.errors import Problem
from headway.model.service import Environment
from headway.settings import units
from headway.settings.checks.places import Places

MOST_INSTANCES = 1000
_MOST_CPU = 1024.0
_MOST_MEMORY = 1 << 50
_LEAST_MEMORY = 1 << 20
_YEAR = 366 * 86400.0
_NEVER_ZERO = frozenset(
    {"interval", "timeout", "ready_within", "deadline", "expires", "within", "over"}
    | {"under", "window", "after"}
)
_DURATIONS = _NEVER_ZERO | {"grace", "bake", "stability", "keep_old"}
_OURS = "PORT"
_OUR_PREFIX = "HEADWAY_"


def check(environment: Environment, at: Places) -> Iterator[Problem]:
    """Problems of run, health and env, and of durations anywhere in the block."""
    yield from _command(environment, at)
    yield from _limits(environment, at)
    yield from _health(environment, at)
    yield from _reserved(environment, at)
    yield from durations(at)


def _command(environment: Environment, at: Places) -> Iterator[Problem]:
    if environment.run.command.strip():
        return
    if at.has("run", "command"):
        yield at.problem(("run", "command"), "`command` is blank: it starts nothing", "empty")
        return
    sentence = (
        f"`command` is missing for {environment.name}: how is one instance started? "
        "For example `command: ./shop --port $PORT`"
    )
    yield at.problem(("run",), sentence, "missing-key")


def _limits(environment: Environment, at: Places) -> Iterator[Problem]:
    run = environment.run
    if run.instances > MOST_INSTANCES:
        sentence = f"`instances` must be at most {MOST_INSTANCES}"
        yield at.problem(("run", "instances"), sentence, "range")
    if run.cpu is not None and run.cpu > _MOST_CPU:
        sentence = f"`cpu` must be at most {_MOST_CPU:g}"
        yield at.problem(("run", "resources", "cpu"), sentence, "range")
    if run.memory_bytes is not None and not _LEAST_MEMORY <= run.memory_bytes <= _MOST_MEMORY:
        sentence = "`memory` lies between `1MiB` and `1048576GiB`"
        yield at.problem(("run", "resources", "memory"), sentence, "range")


def _health(environment: Environment, at: Places) -> Iterator[Problem]:
    health = environment.health
    if health.command is not None and health.path is not None:
        sentence = "`health` has both `path` and `command`: one of them decides. Keep one"
        yield at.problem(("health", "command"), sentence, "conflict")
    if health.command is not None and not health.command.strip():
        yield at.problem(("health", "command"), "`command` is blank: it asks nothing", "empty")


def _reserved(environment: Environment, at: Places) -> Iterator[Problem]:
    for name in environment.env:
        if name == _OURS or name.startswith(_OUR_PREFIX):
            place = at.key(("env", name))
            sentence = f"{quoted(name)} is set by Headway for each instance. Use another name"
            yield Problem(at.file, place.line, place.column, sentence, "reserved")


def durations(at: Places, *blocks: str) -> Iterator[Problem]:
    """Every duration of the block, or only under these keys; bodies of tests are the user's own."""
    for path, node in at.all():
        if blocks and path[:1] and path[0] not in blocks:
            continue
        if path[-1:] == () or path[-1] not in _DURATIONS or "json" in path or "env" in path:
            continue
        if not isinstance(node, Scalar) or isinstance(find(at.block, path), Mapping):
            continue
        seconds = units.seconds(node.text)
        if seconds > _YEAR:
            yield at.problem(path, f"`{path[-1]}` must be at most `366d`", "range")
        if seconds == 0 and path[-1] in _NEVER_ZERO:
            yield at.problem(path, f"`{path[-1]}` must be more than 0", "range")
