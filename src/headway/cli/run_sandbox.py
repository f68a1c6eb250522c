"""`headway run --sandbox`: every step really runs, and nothing comes of it but a report.

The run has a home of its own that is thrown away, in a child process behind a shield
(adapters/overlay): no network, no secrets, and whatever it writes elsewhere is written beside the
real files, so that it can be told what would have changed. Called by cli/run.py.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.cli import errors
from headway.cli.context import Context
from headway.model.errors import HeadwayError
from headway.record import dataclass
from headway.wording.text import plain

if TYPE_CHECKING:
    from headway.adapters.overlay.shield import Shield
    from headway.flows.pipeline import Bench
    from headway.pipeline.run.state import RunSpec, RunState

    Follow = Callable[[Bench, RunState], tuple[RunState, int]]

MOST_CHANGES = 40
MARK = {"HEADWAY_SANDBOX": "1"}
"""What scripts can ask for, to know that nothing comes of what they do."""


@dataclass(frozen=True, slots=True)
class Contained:
    """What a run would have done to the world. `network`: packets that had no way out; `secrets`:
    names that were empty (`*`: any of them); `environments`: job key to environment; `uploads` and
    `caches`: of which jobs; `written` and `deleted`: paths outside of the run's own folders.
    """

    network: int = 0
    secrets: tuple[str, ...] = ()
    environments: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    caches: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Inside:
    """What the child is given. `scratch`: the folder that is thrown away."""

    spec: "RunSpec"
    scratch: Path
    jobs: int
    follow: "Follow"


def play(context: Context, spec: "RunSpec", bench: "Bench", follow: "Follow") -> int:
    """Run it all in a sandbox, tell what it came to, and give the exit code. `bench` is the real
    one; only what it has fetched already is used. `follow` drives a run to its end, shown as it
    goes, and gives its exit code. Raises Refused (`no-sandbox`).
    """
    for name, sha in spec.actions.items():
        bench.actions.fetch(name.partition("@")[0], sha)
    scratch = Path(tempfile.mkdtemp(prefix="headway-"))
    (scratch / "home").mkdir()
    try:
        child = os.fork()
        if child == 0:
            _child(context, _Inside(spec, scratch, bench.jobs, follow))
        return _wait(child)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _wait(child: int) -> int:
    """Ctrl-C goes to the child too, which ends in order; TERM is handed on."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    try:
        return abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _child(context: Context, inside: "_Inside") -> None:
    """The process that is shielded; never returns."""
    code = errors.BUG
    try:
        code = _played(context, inside)
    except HeadwayError as error:
        code = errors.tell(context, error)
    except BaseException as error:  # noqa: BLE001  the child's outermost door: nothing is swallowed
        code = errors.bug(context, error) if isinstance(error, Exception) else errors.INTERRUPTED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _played(context: Context, inside: "_Inside") -> int:
    from headway import workbench  # noqa: PLC0415
    from headway.adapters.overlay import shield  # noqa: PLC0415
    from headway.flows import pipeline  # noqa: PLC0415

    fetched = context.home_folder
    home = inside.scratch / "home"
    shielded = shield.enter(inside.scratch, (home,))
    bench = workbench.bench(home, inside.jobs, {}, reuse=False, soon=True, fetched=fetched)
    env = {**inside.spec.env, **MARK}
    spec = replace(inside.spec, trusted=False, fresh=True, gates={}, env=env)
    state, code = inside.follow(bench, pipeline.create(bench, spec))
    ours = (str(fetched), str(inside.scratch))
    found = _contained(state, shielded, shield.lost_packets(), ours)
    _tell(context, state, found)
    return code


def _contained(
    state: "RunState", shielded: "Shield", packets: int, ours: tuple[str, ...]
) -> Contained:
    """`ours`: folders in which Headway itself writes."""
    changes = [c for c in shielded.changes() if not c.path.startswith(tuple(f"{o}/" for o in ours))]
    orders = state.orders.values()
    return Contained(
        network=packets,
        secrets=tuple(sorted(set(_secrets(state)))),
        environments={o.key: o.environment for o in orders if o.environment},
        uploads={k: tuple(u.name for u in r.uploads) for k, r in state.ended.items() if r.uploads},
        caches=tuple(o.key for o in orders if any(_saves(s.uses) for s in o.steps)),
        written=tuple(c.path for c in changes if c.how == "written"),
        deleted=tuple(c.path for c in changes if c.how == "deleted"),
        read_only=shielded.fixed,
    )


def _secrets(state: "RunState") -> Iterator[str]:
    from headway.pipeline.run.keys import secrets_named  # noqa: PLC0415

    for order in state.orders.values():
        named = secrets_named(order)
        yield from ["*"] if named is None else (n.upper() for n in named)


def _saves(uses: str | None) -> bool:
    return bool(uses) and (uses or "").startswith(("actions/cache@", "actions/cache/save@"))


def _tell(context: Context, state: "RunState", found: Contained) -> None:
    import msgspec  # noqa: PLC0415

    from headway.cli.pipeline_text import ended  # noqa: PLC0415
    from headway.pipeline.run.view import view  # noqa: PLC0415

    seen = view(state)
    if context.json:
        document: dict[str, Any] = msgspec.to_builtins(seen)
        context.document({**document, "sandbox": found})
        return
    context.lines([*ended(seen, kept=False), "", *lines(found)])


def lines(found: Contained) -> list[str]:
    """The report for people."""
    told = ["In a sandbox: nothing of this is kept, and nothing has left this machine."]
    if found.network:
        told.append(f"  network   {found.network} packets had no way out")
    if found.secrets:
        which = "any of them" if "*" in found.secrets else plain(", ".join(found.secrets), 300)
        told.append(f"  secrets   empty here: {which}")
    for key, environment in found.environments.items():
        told.append(f"  {'deploy':9} {plain(environment, 80)}, by {plain(key, 80)}: not touched")
    for key, uploads in found.uploads.items():
        told.append(f"  upload    {plain(', '.join(uploads), 200)}, by {plain(key, 80)}")
    if found.caches:
        told.append(f"  cache     would be written by {plain(', '.join(found.caches), 200)}")
    told += _paths("writes", found.written)
    told += _paths("deletes", found.deleted)
    if found.read_only:
        told.append(f"  read-only {plain(', '.join(found.read_only), 300)}: writes there failed")
    return told


def _paths(word: str, paths: tuple[str, ...]) -> list[str]:
    told = [f"  {word:9} {plain(path, 300)}" for path in paths[:MOST_CHANGES]]
    if len(paths) > MOST_CHANGES:
        told.append(f"  {'':9} … and {len(paths) - MOST_CHANGES} more")
    return told
