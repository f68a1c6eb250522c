"""Which expressions put the words of strangers into a text: titles, branch names, messages.

Called by `check` for scripts. A comparison or `contains(…)` gives true or false and is harmless;
`format`, `join`, `toJSON`, `&&` and `||` hand on what they are given. The facts are GitHub's
"Secure use reference", section on script injection; of `github.event` everything is taken for
hostile but the fields that only a forge can write.
"""

from collections.abc import Iterator, Mapping

from headway import expression
from headway.expression import ExpressionError
from headway.expression.ast import Call, Context, Index, Literal, Logic, Node
from headway.expression.parser import parse
from headway.pipeline.syntax.expressions import has_holes, number_of

Tainted = Mapping[str, str]
"""What holds such words, with where these come from: `env.NAME`, `steps.ID.outputs.NAME` (or `*`:
all of them), `needs.JOB.outputs.NAME`, in lower case.
"""

_HANDS_ON = ("format", "join", "tojson", "fromjson", "case")
_NAMES = ("head_ref", "ref_name", "ref", "base_ref", "event", "triggering_actor")
_HARMLESS = frozenset(
    {
        *("number", "id", "node_id", "sha", "after", "before", "action", "draft", "merged", "size"),
        *("private", "fork", "state", "created_at", "updated_at", "closed_at", "merged_at", "type"),
        *("merge_commit_sha", "full_name", "login", "conclusion", "run_number", "run_attempt"),
        *("locked", "forced", "created", "deleted", "head_sha", "status", "event"),
    }
)
"""Fields that hold numbers, hashes, times or names of a fixed alphabet."""


def sources(text: str, tainted: Tainted) -> Iterator[tuple[int, str]]:
    """Each hole that puts such words into the text: its number from 0, and what it reads."""
    if not has_holes(text):
        return
    try:
        found = expression.holes(text)
    except ExpressionError:  # told by the reader
        return
    for hole in found:
        tree = parse(hole.expression).tree
        for name in dict.fromkeys(_flowing(tree, tainted)) if tree else ():
            yield number_of(text, hole), name


def _flowing(node: Node, tainted: Tainted) -> Iterator[str]:
    match node:
        case Context() | Index():
            yield from _read(node, tainted)
        case Call(name, arguments) if name.lower() in _HANDS_ON:
            for one in arguments:
                yield from _flowing(one, tainted)
        case Logic(_, operands):
            for one in operands:
                yield from _flowing(one, tainted)
        case _:
            return


def _read(node: Node, tainted: Tainted) -> Iterator[str]:
    path: list[str] = []
    while isinstance(node, Index):
        path.insert(0, _key(node.key))
        node = node.of
    if not isinstance(node, Context):
        yield from _flowing(node, tainted)
        return
    root = node.name.lower()
    if root == "github" and _is_hostile(path):
        yield ".".join(["github", *path])
    elif found := _held([root, *path], tainted):
        yield f"{'.'.join([root, *path])} (that is {found})"


def _held(path: list[str], tainted: Tainted) -> str:
    """Where the words come from that the path holds, or one below it; "" for none."""
    whole = ".".join(path)
    if whole in tainted:
        return tainted[whole]
    if any_of := tainted.get(".".join([*path[:-1], "*"])):
        return any_of
    below = whole.removesuffix(".*") + "."
    if len(path) > 1 or path[0] in {"steps", "needs"}:
        return next((source for name, source in tainted.items() if name.startswith(below)), "")
    return ""


def _key(key: Node | None) -> str:
    return str(key.value).lower() if isinstance(key, Literal) else "*"


def _is_hostile(path: list[str]) -> bool:
    if not path or path[0] == "*":
        return True  # the whole context
    if path[0] != "event":
        return path[0] in _NAMES
    return len(path) == 1 or path[-1] not in _HARMLESS
