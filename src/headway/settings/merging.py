"""The one merge rule: what an environment gets from the top of the file and from its own block.

Bare values are written out first, then blocks merge key by key; everything else replaces; nothing
concatenates; a block whose `strategy` or `kind` differs replaces the whole block. The merge is of
nodes, so each value keeps the place it came from. Called by `reading`, `building` and `origins`.
"""

from headway.document import Mapping, Node, Scalar
from headway.settings.keys import BLOCKS

_BARE = {"run": "command", "health": "path"}
_DECIDES = {"rollout": "strategy", "target": "kind"}


def effective(root: Mapping, environment: str) -> Mapping:
    """All that the environment's block says, over what the top of the file says for every one.

    Keys that only an environment has (`tier`, `after` …) stay as they are.
    """
    own = root.get("environments")
    block = own.get(environment) if isinstance(own, Mapping) else None
    top = Mapping(tuple((k, v) for k, v in root.entries if k.text in BLOCKS), root.at)
    if not isinstance(block, Mapping):
        return _written_out(top)
    return _over(_written_out(top), _written_out(block))


def defaults(workspace: Mapping, own: Mapping) -> Mapping:
    """A service's file over the defaults of the workspace it is in; environments merge, too."""
    return _over(_long_everywhere(workspace), _long_everywhere(own))


def _long_everywhere(root: Mapping) -> Mapping:
    entries = [(k, _environments(v) if k.text == "environments" else v) for k, v in root.entries]
    return _written_out(Mapping(tuple(entries), root.at))


def _environments(node: Node) -> Node:
    """Bare values written out in each; an environment without a block has an empty one, which
    takes nothing away from the defaults.
    """
    if not isinstance(node, Mapping):
        return node
    return Mapping(tuple((k, _block(v)) for k, v in node.entries), node.at)


def _block(node: Node) -> Node:
    if isinstance(node, Scalar) and node.value is None:
        return Mapping((), node.at)
    return _written_out(node) if isinstance(node, Mapping) else node


def _written_out(block: Mapping) -> Mapping:
    return Mapping(tuple((key, _long(key.text, value)) for key, value in block.entries), block.at)


def _long(key: str, value: Node) -> Node:
    if key not in _BARE or not isinstance(value, Scalar):
        return value
    return Mapping(((Scalar(_BARE[key], _BARE[key], value.at), value),), value.at)


def _over(base: Mapping, own: Mapping) -> Mapping:
    entries = {key.text: (key, value) for key, value in base.entries}
    for key, value in own.entries:
        before = entries.get(key.text)
        entries[key.text] = (key, _merged(key.text, before[1], value) if before else value)
    return Mapping(tuple(entries.values()), own.at)


def _merged(key: str, base: Node, own: Node) -> Node:
    if not (isinstance(base, Mapping) and isinstance(own, Mapping)):
        return own
    return own if _differs(key, base, own) else _over(base, own)


def _differs(key: str, base: Mapping, own: Mapping) -> bool:
    """Whether the block is of another strategy or kind, and so shares no key with the base."""
    mine, theirs = own.get(_DECIDES.get(key, "")), base.get(_DECIDES.get(key, ""))
    return isinstance(mine, Scalar) and isinstance(theirs, Scalar) and mine.value != theirs.value
