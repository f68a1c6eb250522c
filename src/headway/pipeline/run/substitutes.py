"""Stand-ins for what a workflow uses and this place does not have: declared, named, never silent.

A file (`headway.substitutes.yaml`) says which local action stands for which action of others, which
program for which tool, and which files a job finds without checking anything out. `read` reads it,
`applied` changes what is ordered of a runner: a first step puts tools and files in place and says
so, a replaced action says so in its step's name. Called by orders, and by whoever makes a RunSpec.
"""

import base64
import hashlib
import posixpath
import re
from dataclasses import field, replace

from headway import document
from headway.document import Mapping, Node, Scalar, invalid, quoted
from headway.model.errors import Problem
from headway.model.job import JobOrder, StepSpec
from headway.record import dataclass

FILE = "headway.substitutes.yaml"
STEP = "__substitutes"
MOST_BYTES = 128 * 1024
MOST = 100
_KINDS = ("actions", "tools", "files")
_TOOL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_CHECKOUT = "actions/checkout@"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the repository, as it was when the run was created. `content` is base64."""

    path: str
    digest: str
    content: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a file of substitutes says: each name and the path in the repository that stands in."""

    actions: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Substitutes:
    """The same with the files' contents. `declared`: which file says so ("" for the command line).

    `actions`: a `uses` as written, to a local action (`./path`).
    """

    declared: str = ""
    actions: dict[str, str] = field(default_factory=dict)
    tools: dict[str, Piece] = field(default_factory=dict)
    files: dict[str, Piece] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.actions or self.tools or self.files)

    def names(self) -> tuple[str, ...]:
        """One sentence for each, for reports and plans."""
        actions = [f"{uses} by {path}" for uses, path in self.actions.items()]
        return (*actions, *(_said(name, p) for name, p in (*self.tools.items(), *self._files())))

    def _files(self) -> tuple[tuple[str, Piece], ...]:
        return tuple((f"./{name}", piece) for name, piece in self.files.items())


def read(text: str, file: str) -> Wanted:
    """The file's text, strictly. Raises Invalid with every problem and its place.

    Codes: those of document.read, `unknown-key`, `wrong-type`, `bad-name`, `outside`, `too-many`.
    """
    root = document.read(text, file)
    problems: list[Problem] = []
    found: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS}
    if not isinstance(root, Mapping):
        raise invalid([_problem(file, root, f"a mapping of {', '.join(_KINDS)}", "wrong-type")])
    for key, node in root.entries:
        if key.text not in _KINDS:
            said = f"unknown key {quoted(key.text)}. Known: {', '.join(_KINDS)}"
            problems.append(_problem(file, key, said, "unknown-key"))
        elif not isinstance(node, Mapping):
            problems.append(_problem(file, node, "this must be names and paths", "wrong-type"))
        else:
            found[key.text] = _pairs(file, key.text, node, problems)
    if sum(len(pairs) for pairs in found.values()) > MOST:
        problems.append(_problem(file, root, f"more than {MOST} substitutes", "too-many"))
    if problems:
        raise invalid(problems)
    return Wanted(**found)


def _pairs(file: str, kind: str, node: Mapping, problems: list[Problem]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in node.entries:
        if not isinstance(value, Scalar) or not isinstance(value.value, str):
            problems.append(_problem(file, value, "this must be a path", "wrong-type"))
            continue
        fault = name_fault(kind, key.text) or path_fault(value.text)
        if fault:
            code = "bad-name" if name_fault(kind, key.text) else "outside"
            problems.append(_problem(file, value if code == "outside" else key, fault, code))
        found[key.text] = value.text
    return found


def _problem(file: str, node: Node, sentence: str, code: str) -> Problem:
    return Problem(file, node.at.line, node.at.column, sentence, code)


def name_fault(kind: str, name: str) -> str:
    """Why nothing can stand in for this; "" if it can."""
    if "${{" in name:
        return f"{quoted(name)} cannot hold an expression"
    if kind == "actions":
        local = name.startswith((".", "/")) or not name.strip()
        return f"{quoted(name)} is no action of others: `OWNER/NAME@REF`" if local else ""
    if kind == "tools":
        return "" if _TOOL.fullmatch(name) else f"{quoted(name)} cannot be the name of a program"
    return path_fault(name)


def path_fault(path: str) -> str:
    """Why this is no path in the repository; "" if it is one."""
    whole = posixpath.normpath(path)
    if not path or path.startswith("/") or whole in {".", ".."} or whole.startswith("../"):
        return f"{quoted(path)} must be a path inside the repository"
    if "${{" in path or not path.isprintable():
        return f"{quoted(path)} holds what no name of a file needs"
    return ""


def piece(path: str, content: bytes) -> Piece:
    """A file's content, kept with the run."""
    digest = hashlib.sha256(content).hexdigest()
    return Piece(path, f"sha256:{digest}", base64.standard_b64encode(content).decode("ascii"))


def applied(found: Substitutes, order: JobOrder) -> JobOrder:
    """The order with stand-ins in the place of what they stand for."""
    if not found or not order.steps:
        return order
    steps = tuple(_replaced(found, step) for step in order.steps)
    bare = not any((step.uses or "").lower().startswith(_CHECKOUT) for step in order.steps)
    files = found.files if bare else {}
    first = (_placing(found, files),) if found.tools or files else ()
    return replace(order, steps=(*first, *steps))


def _replaced(found: Substitutes, step: StepSpec) -> StepSpec:
    instead = found.actions.get(step.uses or "")
    if instead is None:
        return step
    said = f"{step.name or step.uses} (substitute for {step.uses}: {instead})"
    return replace(step, uses=instead, name=said)


def _placing(found: Substitutes, files: dict[str, Piece]) -> StepSpec:
    """The step that puts tools before PATH and files into the workspace, and says which."""
    lines = ['bin="$RUNNER_TEMP/headway-substitutes"', 'mkdir -p "$bin"']
    for name, one in found.tools.items():
        lines += _written(one, f'"$bin/{name}"', _said(name, one))
    for name, one in files.items():
        lines += _written(one, f"'{_shell(name)}'", _said(f"./{name}", one))
    if found.tools:
        lines.append('echo "$bin" >> "$GITHUB_PATH"')
    what = ", ".join((*found.tools, *(f"./{name}" for name in files)))
    name = f"Substitutes: {what}"
    script = "\n".join(lines) + "\n"
    return StepSpec(id=STEP, name=name, run=script, shell="sh")  # noqa: S604  a workflow's key


def _written(one: Piece, target: str, said: str) -> list[str]:
    folder = f'mkdir -p "$(dirname {target})"'
    write = f"printf %s '{one.content}' | base64 -d > {target}"
    return [folder, write, f"chmod 755 {target}", f"echo '{_shell(said)}'"]


def _shell(text: str) -> str:
    """For between single quotes of sh."""
    return text.replace("'", "'\\''")


def _said(name: str, one: Piece) -> str:
    return f"{name} by {one.path} ({one.digest[:19]})"
