"""From one event to the runs it starts: workflow files at the right commit, filters, specs.

`matching` gives the runs, `look` also why the other workflows stay quiet. Nothing is started here;
whoever starts them (flows/pipeline.create) may do so again after a crash, because a run's id comes
from the event and the file. Called by flows/trigger_work and flows/trigger_dispatch.
"""

import hashlib
from dataclasses import dataclass, replace

from headway.flows.job_settings import with_settings
from headway.flows.pipeline_gates import with_gates
from headway.flows.pipeline_pins import with_lock
from headway.flows.world import World
from headway.model.errors import HeadwayError, Invalid
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax import ir, reader
from headway.pipeline.trigger import Starts, TriggerEvent, definition, starts
from headway.pipeline.trigger.inputs import typed
from headway.pipeline.trigger.payload import mapping
from headway.pipeline.trigger.trust import on_target

FOLDER = ".github/workflows"
SUFFIXES = (".yml", ".yaml")
MOST_CALLS = 50
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Found:
    """One workflow file and what the event means to it. `spec`: the run; None: none starts.

    `broken`: the file cannot be read, so that nobody knows whether it would start.
    """

    file: str
    starts: Starts
    spec: RunSpec | None = None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """Where an event's files are: `folder` for SourceHost, the commits of the rules and the code,
    and the full name of the ref that the run is of.
    """

    folder: str
    rules: str
    code: str
    ref: str
    trusted: bool


def matching(world: World, event: TriggerEvent, token: str = "") -> list[RunSpec]:
    """The runs that the event starts. Raises as `look`."""
    return [found.spec for found in look(world, event, token) if found.spec is not None]


def look(world: World, event: TriggerEvent, token: str = "") -> tuple[Found, ...]:
    """What the event means to every workflow file, in the order of their names.

    `token`: for the far repository. Raises Unreachable and Invalid of the repository.
    """
    folder = world.repositories.bring(event.address, references(event), token)
    found: list[Found] = []
    for one in (event, on_target(event)):
        if one is not None:
            found += _look(world, folder, one)
    return tuple(found)


def references(event: TriggerEvent) -> tuple[str, ...]:
    """The refs, beside branches and tags, under which forges keep what the event is about."""
    if not event.number:
        return (event.ref,)
    kind = "merge-requests" if event.source == "gitlab" else "pull"
    return (f"refs/{kind}/{event.number}/head",)


def _look(world: World, folder: str, event: TriggerEvent) -> list[Found]:
    site = _site(world, folder, event)
    workflows = _workflows(world, site)
    readable = [w for w in workflows.values() if isinstance(w, ir.Workflow)]
    told = _complete(world, site, event, readable)
    return [_found(world, site, told, file, read) for file, read in workflows.items()]


def _site(world: World, folder: str, event: TriggerEvent) -> Site:
    known = definition(event)
    rules = world.source.commit(folder, known.revision)
    same = known.code == known.revision
    code = rules if same else world.source.commit(folder, known.code)
    ref = event.ref or (f"refs/heads/{code.ref}" if code.ref else code.sha)
    return Site(folder, rules.sha, code.sha, ref, known.trusted)


def _workflows(world: World, site: Site) -> dict[str, ir.Workflow | Invalid]:
    files = sorted(world.repositories.files(site.folder, site.rules, FOLDER))
    return {f: _read(world, site, f) for f in files if f.endswith(SUFFIXES)}


def _read(world: World, site: Site, file: str) -> ir.Workflow | Invalid:
    try:
        return reader.read(_text(world, site, file), file)
    except Invalid as error:
        return error


def _text(world: World, site: Site, file: str) -> str:
    try:
        return world.source.read(site.folder, site.rules, file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not UTF-8", code="not-utf-8") from error


def _complete(
    world: World, site: Site, event: TriggerEvent, workflows: list[ir.Workflow]
) -> TriggerEvent:
    """The event with what only the repository knows: message, actor, changed files if asked for."""
    known = event
    if not known.message or not known.actor:
        commit = world.source.commit(site.folder, site.code)
        known = replace(
            known, message=known.message or commit.subject, actor=known.actor or commit.author
        )
    triggers = [w.trigger(event.name) for w in workflows]
    asked = any(t and (t.paths is not None or t.paths_ignore is not None) for t in triggers)
    if asked and known.changed is None and not known.deleted:
        known = replace(known, changed=_changed(world, site, known))
    return known


def _changed(world: World, site: Site, event: TriggerEvent) -> tuple[str, ...] | None:
    """Pull requests: since they left the base; a branch that is new: since it left the default."""
    if event.name.startswith("pull_request"):
        head = event.head_sha
        base = _tip(world, site, f"refs/heads/{event.base}") or event.base_sha
        return world.repositories.changed(site.folder, base, head, forked=True) if base else None
    if event.before:
        return world.repositories.changed(site.folder, event.before, site.code, forked=False)
    default = _tip(world, site, f"refs/heads/{event.default_branch}" * bool(event.default_branch))
    base = default or _tip(world, site, "HEAD")
    if base in {"", site.code}:
        return world.repositories.changed(site.folder, "", site.code, forked=False)
    return world.repositories.changed(site.folder, base, site.code, forked=True)


def _tip(world: World, site: Site, revision: str) -> str:
    """The commit it means; "" if there is none."""
    try:
        return world.source.commit(site.folder, revision).sha if revision else ""
    except Invalid:
        return ""


def _found(
    world: World, site: Site, event: TriggerEvent, file: str, read: ir.Workflow | Invalid
) -> Found:
    if isinstance(read, Invalid):
        return Found(file, Starts(yes=False, because=str(read)), broken=True)
    answer = starts(read, event)
    if not answer.yes:
        return Found(file, answer)
    try:
        return Found(file, answer, spec(world, site, event, read))
    except HeadwayError as error:
        return Found(file, Starts(yes=False, because=str(error)), broken=True)


def spec(world: World, site: Site, event: TriggerEvent, workflow: ir.Workflow) -> RunSpec:
    """The run of that workflow. Raises Invalid for inputs that do not fit, or a called file that
    is not there.
    """
    trigger = workflow.trigger(event.name)
    inputs = {k: str(v) for k, v in mapping(event.payload, "inputs").items()}
    dispatched = trigger is not None and event.name == "workflow_dispatch"
    plain = RunSpec(
        id=identity(event, workflow.file),
        workflow=workflow.file,
        texts=_texts(world, site, workflow),
        repo=site.folder,
        sha=site.code,
        ref=site.ref,
        event=event.name,
        payload=event.payload,
        actor=event.actor,
        inputs=dict(typed(workflow.file, trigger, inputs)) if trigger and dispatched else {},
        trusted=site.trusted,
        served=True,
    )

    def read(path: str) -> str | None:
        return _if_there(world, site, path)

    return with_gates(with_settings(with_lock(plain, read), read, world.clock.now()), read)


def identity(event: TriggerEvent, file: str) -> str:
    """The same for the same delivery and file, and for no other: `run_` and a ULID of the moment
    when the event was stored and of what it is (github.com/ulid/spec), so that ids sort by time.
    """
    words = (event.source, event.address, event.repo, event.delivery, event.name, file)
    digest = hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).digest()
    number = int.from_bytes(int(event.at * 1000).to_bytes(6, "big") + digest[:10], "big")
    return "run_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))


def _if_there(world: World, site: Site, file: str) -> str | None:
    try:
        return _text(world, site, file)
    except Invalid as error:
        if error.code != "missing-file":
            raise
        return None


def _texts(world: World, site: Site, workflow: ir.Workflow) -> dict[str, str]:
    """The file and the local ones that it calls, through all levels, at the commit of the rules."""
    texts = {workflow.file: _text(world, site, workflow.file)}
    ahead = _called(workflow)
    while ahead:
        file = ahead.pop()
        if file in texts:
            continue
        if len(texts) >= MOST_CALLS:
            raise Invalid(f"{workflow.file} calls more than {MOST_CALLS} workflows", code="calls")
        try:
            texts[file] = _text(world, site, file)
        except Invalid as error:
            if error.code != "missing-file":
                raise
            continue  # whoever starts the run says so, with the place of the call
        ahead += _called(reader.read(texts[file], file))
    return texts


def _called(workflow: ir.Workflow) -> list[str]:
    uses = [job.uses.text for job in workflow.jobs if job.uses]
    return [u.removeprefix("./") for u in uses if u.startswith("./")]
