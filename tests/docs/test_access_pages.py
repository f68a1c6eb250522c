"""The pages about access say what the code says."""

import ast
import re
from pathlib import Path

from headway.access.roles import EVERYWHERE, PERMISSIONS, ROLES, allowed

ROOT = Path(__file__).parents[2]


def test_the_table_of_roles_is_the_one_that_decides() -> None:
    page = (ROOT / "docs/how-to/access.md").read_text()
    shown = re.findall(r"^\|`([a-z.]+)`(\*?)\|(.*)\|$", page, re.MULTILINE)
    assert [name for name, _, _ in shown] == list(PERMISSIONS)
    for name, star, marks in shown:
        assert bool(star) is (name in EVERYWHERE), name
        assert [bool(m) for m in marks.split("|")] == [allowed(r, name) for r in ROLES], name
    assert f"|permission|{'|'.join(ROLES)}|" in page


def test_every_threat_names_a_test_that_there_is() -> None:
    page = (ROOT / "docs/explanation/security.md").read_text()
    named = re.findall(r"`(test_\w+)::(test_\w+)`\|$", page, re.MULTILINE)
    rows = page.split("|-|-|-|\n")[1].split("\n\n")[0].splitlines()
    assert len(named) == len(rows) > 25
    known = {
        (path.stem, node.name)
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.stem in {module for module, _ in named}
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert set(named) <= known, set(named) - known
