"""Which repositories use which shared workflow, at which version, and which drifted from it.

Reads the commit at the head of each repository; changes nothing. Called by `headway template`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from headway.model.errors import HeadwayError, Invalid
from headway.pipeline import lock
from headway.pipeline.syntax import reader
from headway.pipeline.syntax.ir import Workflow
from headway.pipeline.template import drift, shape
from headway.pipeline.template.drift import Copy
from headway.ports.repositories import Repositories
from headway.ports.source_host import SourceHost

FOLDER = ".github/workflows"
State = Literal["current", "behind", "unknown-version", "gone"]


@dataclass(frozen=True, slots=True)
class Repository:
    """`name`: `owner/name`, or `name` of a hosted one or folder. `place`: where it is."""

    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One workflow file at a repository's head."""

    path: str
    text: str
    workflow: Workflow


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow that others can call."""

    repository: Repository
    sha: str
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Usage:
    """A repository calls a template. `ref` as written; `sha`: what it means, by headway.lock where
    that says it. `behind`: the version in use is not the one at the template's head, and differs.
    """

    repository: str
    file: str
    line: int
    job: str
    template: str
    ref: str
    sha: str
    state: State
    because: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """A workflow with jobs that were copied from a template instead of calling it."""

    repository: str
    file: str
    template: str
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """`unread`: files that are no workflow, and why; they are told, not passed over."""

    templates: tuple[str, ...]
    usages: tuple[Usage, ...]
    drifts: tuple[Drift, ...]
    unread: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The two ports that repositories are read by."""

    source: SourceHost
    repositories: Repositories


def survey(reading: Reading, repos: tuple[Repository, ...], central: tuple[str, ...]) -> Survey:
    """Look at all of them. `central`: names of the repositories whose templates count; empty: every
    repository among them that has one. Raises Invalid (`unknown-repository`).
    """
    sheets: dict[str, list[Sheet]] = {}
    unread: list[tuple[str, str]] = []
    heads = {repo.name: reading.source.commit(repo.place, "HEAD").sha for repo in repos}
    for repo in repos:
        sheets[repo.name] = list(_sheets(reading, repo, heads[repo.name], unread))
    templates = tuple(
        Template(repo, heads[repo.name], sheet)
        for repo in repos
        if not central or repo.name in central
        for sheet in sheets[repo.name]
        if shape.is_template(sheet.workflow)
    )
    usages = [u for r in repos for u in _usages(reading, r, heads, sheets[r.name], templates)]
    drifts = [d for r in repos for d in _drifts(r, sheets[r.name], templates)]
    names = tuple(f"{t.repository.name}/{t.sheet.path}" for t in templates)
    return Survey(names, tuple(usages), tuple(drifts), tuple(unread))


def _sheets(
    reading: Reading, repo: Repository, sha: str, unread: list[tuple[str, str]]
) -> Iterator[Sheet]:
    for path in reading.repositories.files(repo.place, sha, FOLDER):
        if not path.endswith((".yml", ".yaml")):
            continue
        try:
            text = reading.source.read(repo.place, sha, path).decode("utf-8")
            yield Sheet(path, text, reader.read(text, path))
        except (HeadwayError, UnicodeDecodeError) as error:
            first = error.problems[0] if isinstance(error, Invalid) and error.problems else error
            unread.append((f"{repo.name}/{path}", str(first)))


def _usages(
    reading: Reading,
    repo: Repository,
    heads: dict[str, str],
    sheets: list[Sheet],
    templates: tuple[Template, ...],
) -> Iterator[Usage]:
    locked = _locked(reading, repo, heads[repo.name])
    for sheet in sheets:
        for use in shape.uses(sheet.workflow):
            place = _place(use, templates)
            if place is None:
                continue
            key = f"{use.repository}@{use.ref}"
            sha, state, because = _version(reading, place, use, locked.get(key, ""), templates)
            name = f"{place.name}/{use.path}"
            known = (repo.name, sheet.path, use.line, use.job, name)
            yield Usage(*known, use.ref, sha, state, because)


def _locked(reading: Reading, repo: Repository, sha: str) -> dict[str, str]:
    try:
        text = reading.source.read(repo.place, sha, lock.FILE).decode("utf-8")
    except Invalid as error:
        if error.code == "missing-file":
            return {}
        raise
    return lock.read(text)


def _place(use: shape.Use, templates: tuple[Template, ...]) -> Repository | None:
    """The repository of templates that is meant: by its whole name, else by the last part."""
    known = {t.repository.name: t.repository for t in templates}
    return known.get(use.repository) or known.get(use.repository.rpartition("/")[2])


def _version(
    reading: Reading,
    place: Repository,
    use: shape.Use,
    locked: str,
    templates: tuple[Template, ...],
) -> tuple[str, State, str]:
    """(commit, state, why) of the version in use."""
    head = next((t for t in templates if t.repository == place and t.sheet.path == use.path), None)
    if head is None:
        return "", "gone", f"there is no {use.path} at the head of {place.name}"
    try:
        sha = reading.source.commit(place.place, locked or use.ref).sha
        text = reading.source.read(place.place, sha, use.path).decode("utf-8")
    except (Invalid, UnicodeDecodeError) as error:
        return locked, "unknown-version", str(error)
    if text == head.sheet.text:
        return sha, "current", ""
    pinned = " by headway.lock" if locked else ""
    return sha, "behind", f"{sha[:7]}{pinned}; at the head {head.sha[:7]} it says something else"


def _drifts(
    repo: Repository, sheets: list[Sheet], templates: tuple[Template, ...]
) -> Iterator[Drift]:
    """Each workflow's copies of the template that it is likest to."""
    for sheet in sheets:
        mine = shape.jobs(sheet.workflow)
        best: Drift | None = None
        for template in templates:
            if template.repository == repo:
                continue
            found = drift.copies(shape.jobs(template.sheet.workflow), mine)
            name = f"{template.repository.name}/{template.sheet.path}"
            if found and (best is None or _nearer(found, best.copies)):
                best = Drift(repo.name, sheet.path, name, found)
        if best is not None:
            yield best


def _nearer(one: tuple[Copy, ...], other: tuple[Copy, ...]) -> bool:
    """More jobs, else fewer differences."""
    counts = [(len(c), -sum(len(copy.differences) for copy in c)) for c in (one, other)]
    return counts[0] > counts[1]
