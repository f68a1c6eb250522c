"""A workspace: one repository of several services, and the file at its root that says which.

Its other keys are the defaults of every service, merged by the one rule (`merging`). Every value
keeps its place, so that an error in a merged whole still names the file and line it was written at.
Called by flows/configuration and cli; `reading` refuses such a file where one service is wanted.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from headway import document
from headway.document import Mapping, Mark, Node, Scalar, Sequence, quoted
from headway.model.errors import Invalid, Problem
from headway.model.service import Service
from headway.settings import merging, reading, sentences
from headway.settings.block import Block
from headway.settings.checks import text as texts
from headway.settings.checks.places import Places

OWN = ("services", "watch", "order", "on_fail", "schema")
# lines of the workspace's file are counted from here on while they are merged into a service's
_ELSEWHERE = 1_000_000


@dataclass(frozen=True, slots=True)
class Workspace:
    """`services`: name -> folder, as written; `watch`: paths whose change affects all of them."""

    services: dict[str, str]
    watch: tuple[str, ...]
    file: str
    defaults: Mapping

    def named(self, name: str) -> str:
        """The folder of that service. Raises Invalid (`unknown-name`)."""
        if name not in self.services:
            raise Invalid(
                f"{self.file} names no service {quoted(name)}",
                why=f"its services are {', '.join(self.services)}",
                code="unknown-name",
            )
        return self.services[name]

    def at(self, folder: str) -> str:
        """The service whose folder that is or lies in, the innermost one; "" if it is none's."""
        found = [(len(f), n) for n, f in self.services.items() if within(folder, f)]
        return max(found)[1] if found else ""


def within(path: str, folder: str) -> bool:
    """Whether a path of the repository is the folder or lies in it."""
    return path == folder or path.startswith(f"{folder}/")


def read(text: str, file: str) -> Workspace | None:
    """The workspace that the text describes; None: it describes one service, or nothing at all.

    Raises Invalid with every problem of the workspace's own keys and of its defaults.
    """
    root = document.read(text, file, limits=reading.LIMITS)
    if not isinstance(root, Mapping) or root.get("services") is None:
        return None
    if problems := [*reading.faults_of(root, file), *_problems(root, file)]:
        raise document.invalid(problems)
    top = Block(root)
    folders = top.block("services")
    return Workspace(
        services={
            n: plain(folders.text(n, "")) for n in (folders.node.keys() if folders.node else ())
        },
        watch=tuple(plain(path) for path in top.texts("watch")),
        file=file,
        defaults=Mapping(tuple((k, v) for k, v in root.entries if k.text not in OWN), root.at),
    )


def plain(path: str) -> str:
    """`./libs/` as `libs`; the whole repository is ""."""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def _problems(root: Mapping, file: str) -> list[Problem]:
    at, found, seen = Places(root, file), [], dict[str, str]()
    written = root.get("services")
    for name, folder in written.entries if isinstance(written, Mapping) else ():
        known = folder.text if isinstance(folder, Scalar) else ""
        if texts.leaves(known) or not plain(known):
            found.append(at.problem(("services", name.text), *_outside(name.text, known)))
        if other := seen.get(plain(known)):
            sentence = f"{quoted(name.text)} and {quoted(other)} have the same folder"
            found.append(at.problem(("services", name.text), sentence, "conflict"))
        seen[plain(known)] = name.text
    for index, one in enumerate(Block(root).texts("watch")):
        if texts.leaves(one):
            found.append(at.problem(("watch", index), *_outside("watch", one)))
    return found


def _outside(name: str, path: str) -> tuple[str, str]:
    return sentences.outside(quoted(name), path)


def service(workspace: Workspace, name: str, text: str, file: str) -> Service:
    """The service: its own file (`text`) over the workspace's defaults.

    Raises Invalid as `reading.read`; each problem names the file that it is in.
    """
    return merged(workspace, name, text, file)[1]


def merged(workspace: Workspace, name: str, text: str, file: str) -> tuple[Mapping, Service]:
    """The merged tree beside the service made of it; `placed` tells where a mark of it is."""
    folder = workspace.named(name)
    own = reading.root_of(document.read(text, file, limits=reading.LIMITS), file)
    root = merging.defaults(_shifted(workspace.defaults), _named(own, name))
    try:
        found = reading.service_of(root, file)
    except Invalid as error:
        raise document.invalid([_placed(p, workspace.file) for p in error.problems]) from None
    if found.name != name:
        at = own.key("service") or own
        sentence = f"the workspace calls this service {quoted(name)}"
        raise document.invalid([Problem(file, at.at.line, at.at.column, sentence, "other-service")])
    watch = tuple(plain(path) for path in found.watch) or (folder,)
    return root, replace(found, folder=folder, watch=(*watch, *workspace.watch))


def placed(at: Mark, file: str, workspace: str) -> tuple[str, int]:
    """The file and the line of a mark in a merged tree."""
    away = at.line > _ELSEWHERE
    return (workspace, at.line - _ELSEWHERE) if away else (file, at.line)


def around(where: Path) -> tuple[Workspace, str, Path] | None:
    """The workspace on this machine that a headway.yaml belongs to, the service's name in it, and
    its root; None: it belongs to none. Looks no further up than the repository. Raises Invalid.
    """
    here = where.resolve().parent
    for folder in (here, *here.parents):
        file = folder / reading.NAME
        if folder != here and file.is_file():
            many = read(reading.text_of(file), reading.NAME)
            name = many.at(here.relative_to(folder).as_posix()) if many else ""
            if many and name and folder / many.services[name] == here:
                return many, name, folder
        if (folder / ".git").exists():
            break
    return None


def _named(own: Mapping, name: str) -> Mapping:
    """A service's file may leave its name to the workspace."""
    if own.get("service") is not None:
        return own
    key = Scalar("service", "service", own.at)
    return Mapping(((key, Scalar(name, name, own.at)), *own.entries), own.at)


def _shifted(node: Mapping) -> Mapping:
    return Mapping(tuple((_moved(k), _far(v)) for k, v in node.entries), _mark(node.at))


def _far(node: Node) -> Node:
    match node:
        case Scalar():
            return _moved(node)
        case Sequence():
            return Sequence(tuple(_far(item) for item in node.items), _mark(node.at))
        case Mapping():
            return _shifted(node)


def _moved(scalar: Scalar) -> Scalar:
    return Scalar(scalar.value, scalar.text, _mark(scalar.at), scalar.quoted)


def _mark(at: Mark) -> Mark:
    return Mark(at.line + _ELSEWHERE, at.column)


def _placed(problem: Problem, file: str) -> Problem:
    if problem.line <= _ELSEWHERE:
        return problem
    return replace(problem, file=file, line=problem.line - _ELSEWHERE)
