"""What an environment asks of a commit: its checks, and the branches that must have it.

Called by flows/enter.py before the gates, and by `headway plan`. `facts` reads the tables;
`verdicts` reads logs of runs and the repository, which no transaction should wait for.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import basename

import sqlalchemy as sa

from headway.flows import pipeline
from headway.flows.trigger import FOLDER
from headway.flows.world import World
from headway.gate import branches, checks
from headway.gate.checks import Check
from headway.model.errors import HeadwayError, Invalid
from headway.model.service import Environment, Service
from headway.model.verdict import Outcome, Verdict, worst
from headway.pipeline.run.state import RunState
from headway.store import records, run_log, runs
from headway.store.database import Tx
from headway.store.tables import deliveries


@dataclass(frozen=True, slots=True)
class Entry:
    """A commit before an environment. `release`: its name. `delivery`: whose run built it; "": it
    is not built yet.
    """

    service: Service
    environment: Environment
    repo: str
    sha: str
    release: str
    delivery: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """`runs`: by workflow file, the server's runs of the commit, the newest first. `branches`: who
    asks for which: the release itself and the one that stands in the environment.
    """

    runs: dict[str, tuple[str, ...]]
    branches: dict[str, tuple[str, ...]]


def facts(connection: sa.Connection, entry: Entry) -> Facts:
    """What the tables know. The rule of the release in charge holds, too: a commit cannot lift by
    its own headway.yaml what keeps it out.
    """
    files = dict.fromkeys(_file(entry, name)[0] for name in entry.environment.checks)
    found = {f: runs.of_commit(connection, entry.repo, f, entry.sha) for f in files}
    asked = {entry.release: entry.environment.branches}
    stable = records.place(connection, entry.service.name, entry.environment.name).stable
    if stable and stable != entry.release:
        known = {e.name: e for e in records.release(connection, stable).config.environments}
        before = known.get(entry.environment.name)
        asked[stable] = before.branches if before else ()
    return Facts(found, {by: names for by, names in asked.items() if names})


def verdicts(world: World, entry: Entry, facts: Facts) -> tuple[Verdict, ...]:
    """The answers of the gates that are set up; none of those that are not."""
    found = []
    if facts.branches:
        found.append(_branches(world, entry, facts))
    if entry.environment.checks:
        known = tuple(_check(world, entry, facts, name) for name in entry.environment.checks)
        found.append(checks.judge(entry.sha, known))
    return tuple(found)


def _branches(world: World, entry: Entry, facts: Facts) -> Verdict:
    names = dict.fromkeys(name for asked in facts.branches.values() for name in asked)
    try:
        having = {n for n in names if world.source.contains(entry.repo, n, entry.sha)}
    except HeadwayError as error:
        return Verdict(branches.JUDGE, Outcome.WAIT, f"the repository gave no answer: {error}")
    asked = facts.branches.items()
    return worst(branches.judge(entry.sha, names, having, by) for by, names in asked)


def _file(entry: Entry, name: str) -> tuple[str, str]:
    """The workflow file and the job ("": all of it) that the check's name means."""
    head, slash, rest = name.partition("/")
    of_file = not head.endswith(" ") and (bool(slash) or head.endswith((".yml", ".yaml")))
    file, job = (head, rest) if of_file else (basename(entry.service.workflow), name)
    own = file == basename(entry.service.workflow)
    return entry.service.workflow if own else f"{FOLDER}/{file}", job


def _check(world: World, entry: Entry, facts: Facts, name: str) -> Check:
    file, job = _file(entry, name)
    start = _start(entry, file)
    try:
        found = next(_runs(world, entry, file, facts), None)
    except HeadwayError as error:
        return Check(name, "missing", f"cannot be told: {error}", start)
    if found is None:
        return Check(name, "missing", "was not run for this commit", start)
    if found.spec.id.partition(".")[0] == entry.delivery:
        again = f" --job {shlex.quote(job)}" if job else ""
        start = f"headway pipeline rerun {found.spec.id}{again}"
    return _stands(world, found, Check(name, "missing", "", start), job)


def _start(entry: Entry, file: str) -> str:
    if file == entry.service.workflow and not entry.delivery:
        return f"headway deliver {entry.sha[:12]}"
    path = basename(file) if file.startswith(f"{FOLDER}/") else file
    started = f"headway pipeline start {shlex.quote(path)} --ref {entry.sha[:12]}"
    return f"{started} --repo {shlex.quote(entry.repo)}"


def _runs(world: World, entry: Entry, file: str, facts: Facts) -> Iterator[RunState]:
    """The latest attempts that count, best first: exactly this commit, and nobody's fork."""
    own = (entry.delivery,) if entry.delivery and file == entry.service.workflow else ()
    for id in (*own, *facts.runs[file]):
        later = (f"{id}.{n}" for n in range(pipeline.MOST_ATTEMPTS, 1, -1))
        latest = next((x for x in later if run_log.exists(world.home, x)), id)
        try:
            found = pipeline.show(world.home, latest)
        except Invalid:
            continue
        spec = found.spec
        same = (spec.repo, spec.sha, spec.workflow) == (entry.repo, entry.sha, file)
        if same and spec.trusted and not spec.changed:
            yield found


def _stands(world: World, found: RunState, check: Check, job: str) -> Check:
    """The check as the run leaves it."""
    run, name = found.spec.id, check.name
    word = _of_job(found, job) if job else _of_all(found)
    gone = pipeline.stands(world.home, found, world.clock.now()) == pipeline.INTERRUPTED
    if word == "running" and gone and not found.spec.served:
        word = "was interrupted"
    if word == "success":
        return Check(name, "green", f"is green in run {run}")
    if word == "failure":
        return Check(name, "red", f"is red in run {run}")
    if word == "running":
        return Check(name, "running", f"still runs: headway pipeline show {run}")
    return Check(name, "missing", f"{word} in run {run}", check.start)


def _of_job(found: RunState, job: str) -> str:
    """Every instance of a matrix counts, and a red one although its workflow tolerates it."""
    keys = found.planned.get(job, ())
    said = {found.ended[key].outcome for key in keys if key in found.ended}
    if "failure" in said:
        return "failure"
    if found.phase == "running" and (not keys or any(k not in found.ended for k in keys)):
        return "running"
    if not keys or any(key not in found.ended for key in keys):
        return "was not run"
    others = sorted(said - {"success"})
    return f"was {others[0]}" if others else "success"


def _of_all(found: RunState) -> str:
    """A whole workflow: green if it is and a job of it ran; a run of some of its jobs says
    nothing.
    """
    if found.phase == "cancelled":
        return "was cancelled"
    if found.phase != "success":
        return found.phase
    if found.spec.only:
        return "was run in part"
    some = any(report.outcome == "success" for report in found.ended.values())
    return "success" if some else "was skipped"


def wake(tx: Tx, world: World, repo: str, sha: str) -> None:
    """A run of the commit ended: deliveries of it that wait at a door ask again."""
    t = deliveries
    here = (t.c.sha == sha, t.c.repo == repo, t.c.state == "waiting")
    for id in tx.connection.execute(sa.select(t.c.id).where(*here)).scalars().all():
        world.outbox.wake(tx, id)
