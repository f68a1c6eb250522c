"""docs/reference/errors.md names every code that reading a file or writing a first one can give."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = [
    *(ROOT / "src/headway/document").rglob("*.py"),
    *(ROOT / "src/headway/settings").rglob("*.py"),
    *(ROOT / "src/headway/cli").glob("config.py"),
    *(ROOT / "src/headway/cli").glob("init.py"),
    ROOT / "src/headway/cli/slo.py",
    ROOT / "src/headway/slo/selector.py",
    ROOT / "src/headway/slo/rules.py",
]
CODE = re.compile("[a-z]+(-[a-z]+)*")
LAST = {"problem", "_problem", "_refuse", "_at", "Problem", "_spend", "add"}


def text(node: ast.AST) -> str:
    found = node.value if isinstance(node, ast.Constant) else None
    return found if isinstance(found, str) and CODE.fullmatch(found) else ""


def codes(source: str) -> set[str]:
    """Codes given by keyword, as the last argument of a problem, or beside a sentence."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "code":
            found.add(text(node.value))
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            found.add(text(node.args[-1]) if name in LAST else "")
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            sentence, *rest = node.value.elts
            if rest and (isinstance(sentence, ast.JoinedStr | ast.Name | ast.Constant)):
                found.add(text(rest[-1]))
    return found - {""}


def test_every_code_is_on_the_page_and_nothing_else() -> None:
    whole = (ROOT / "docs/reference/errors.md").read_text("utf-8")
    page = whole.partition("## Webhooks")[0]  # what follows is of servers, not of files
    told = set(re.findall(r"^\|`([a-z-]+)`\|", page, re.M))
    given = set().union(*(codes(path.read_text("utf-8")) for path in SOURCES))
    assert len(given) > 35
    assert given - told == set()
    assert told - given == set()
