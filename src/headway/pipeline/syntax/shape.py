"""What a value of a workflow file may be: the vocabulary of the table in `keys`.

Pure data, read by `shapes` (which checks a document against it) and `reference` (which prints it).
"""

from typing import Literal

from headway.record import dataclass

Kind = Literal["text", "word", "boolean", "number"]
"""`text`: any single value; `word`: one that is not empty."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Several may hold at once: `runs-on` is a word, a list of words or a map.

    `one_of`: the only words allowed. `items`: of a list. `place`: a map with the keys that the
    table has under this name. `names`: a map with names of the user's own. `sees`: the contexts and
    functions that an expression in it may use, beside those of what is around it; nothing at all:
    no expression. `computed`: one `${{ }}` may stand for the whole list or map. `condition`: an
    expression also without `${{ }}`. `anything`: of any form.
    """

    kind: Kind | None = None
    one_of: tuple[str, ...] = ()
    items: "Shape | None" = None
    place: str = ""
    names: "Shape | None" = None
    null: bool = False
    sees: frozenset[str] = frozenset()
    computed: bool = False
    condition: bool = False
    anything: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `says` is the sentence of the reference. `refused`: why Headway does not do it (the
    key is then known and refused by name) and what to write instead.
    """

    says: str
    shape: Shape = Shape()
    required: bool = False
    refused: str = ""


Table = dict[str, Key]
