"""headway.yaml to a Service, or to every reason why not.

Called by flows (the file as it is at a commit), cli/config and wiring. One text is read in this
order: YAML, the text itself and the schema together, then what only the merged whole shows.
"""

from pathlib import Path

from headway import document
from headway.document import Mapping, Mark, Node
from headway.model.errors import Invalid, Problem
from headway.model.service import Service
from headway.settings import building, checks, grammar, sentences

NAME = "headway.yaml"
# a hundred times what a large service writes; looking into each is quadratic in them
LIMITS = document.Limits(max_nodes=4000)


def read(text: str, file: str) -> Service:
    """The service that the text describes; `file` names it in errors.

    Raises Invalid with up to 20 problems, whose codes docs/reference/errors.md lists.
    """
    return parse(text, file)[1]


def load(path: Path | str) -> Service:
    """`read` of a file, or of headway.yaml in a folder. Raises Invalid, also `missing-file`."""
    where = find(path)
    return read(text_of(where), where.name)


def find(path: Path | str) -> Path:
    """The headway.yaml of a folder, or the file itself. Raises Invalid (`missing-file`)."""
    given = Path(path)
    where = given / NAME if given.is_dir() else given
    if not where.is_file():
        raise Invalid(
            f"there is no {where.name} in {where.parent}",
            why="a service is described by one",
            next="headway init",
            code="missing-file",
        )
    return where


def text_of(path: Path) -> str:
    """The text of a file. Raises Invalid (`encoding`, `too-large`, `unreadable`)."""
    limit = LIMITS.max_bytes
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        why = error.strerror or "the system refused"
        raise Invalid(f"{path} cannot be read", why=why, code="unreadable") from error
    if len(data) > limit:
        sentence = f"the file is too large; at most {limit // 1024} KiB are read"
        raise document.invalid([Problem(path.name, 1, 1, sentence, "too-large")])
    return document.decode(data, path.name)


def parse(text: str, file: str) -> tuple[Mapping, Service]:
    """The tree with its places beside the service made of it. Raises Invalid as `read` does."""
    root = root_of(document.read(text, file, limits=LIMITS), file)
    return root, service_of(root, file)


def service_of(root: Mapping, file: str) -> Service:
    """The service that a tree describes. Raises Invalid as `read` does."""
    if root.get("services") is not None:
        raise _many(root, file)
    if problems := faults_of(root, file):
        raise document.invalid(problems)
    service = building.service(root)
    if problems := list(checks.resolved(service, root, file)):
        raise document.invalid(problems)
    return service


def _many(root: Mapping, file: str) -> Invalid:
    written = root.get("services")
    names = ", ".join(written.keys()) if isinstance(written, Mapping) else "none"
    return Invalid(
        f"{file} is a workspace of several services",
        why=f"they are {names}; each has a headway.yaml in its folder",
        next="go into the folder of one",
        code="workspace",
    )


def root_of(node: Node, file: str) -> Mapping:
    """The block of keys that a file is. Raises Invalid (`wrong-type`)."""
    if isinstance(node, Mapping):
        return node
    at: Mark = node.at
    sentence = "the file is not a block of keys. It begins for example with `service: shop`"
    raise document.invalid([Problem(file, at.line, at.column, sentence, "wrong-type")])


def faults_of(root: Mapping, file: str) -> list[Problem]:
    """Faults of the text and of the form; of two at one place the text's is the cause."""
    found = list(checks.written(root, file))
    places = {(p.line, p.column) for p in found}
    faults = grammar.faults(root)
    worded = [p for fault in faults for p in sentences.worded(fault, root, file)]
    if faults and not worded:
        raise RuntimeError(f"a fault without words: {faults[0].rule} at {faults[0].path}")
    return found + [p for p in worded if (p.line, p.column) not in places]
