"""Where the values of a merged environment were written, for the checks to point at."""

from dataclasses import dataclass

from headway.document import Mapping, Mark, Node, Path, find, walk
from headway.model.errors import Problem


@dataclass(frozen=True, slots=True)
class Places:
    """A merged block and the file that it came from."""

    block: Mapping
    file: str

    def problem(self, path: Path, sentence: str, code: str) -> Problem:
        """A problem at the value under the path, or at the nearest block around it."""
        at = self.at(path)
        return Problem(self.file, at.line, at.column, sentence, code)

    def at(self, path: Path) -> Mark:
        """Where that is."""
        while (node := find(self.block, path)) is None:
            path = path[:-1]
        return node.at

    def key(self, path: Path) -> Mark:
        """Where the key itself stands."""
        block = find(self.block, path[:-1])
        key = block.key(str(path[-1])) if isinstance(block, Mapping) else None
        return key.at if key else self.at(path)

    def has(self, *path: str | int) -> bool:
        """Whether anything is written there."""
        return find(self.block, path) is not None

    def all(self) -> list[tuple[Path, Node]]:
        """Every value with its path."""
        return [(path, node) for path, _, node in walk(self.block)]
