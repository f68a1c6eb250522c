"""The map is true: every package is on it, and the contracts say the same."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "headway"
MODULES = sorted(SOURCE.rglob("*.py"))


def packages() -> set[str]:
    found = {p.parent.name for p in SOURCE.glob("*/__init__.py")}
    return found | {p.stem for p in SOURCE.glob("*.py") if not p.stem.startswith("__")}


def test_every_package_is_on_the_map() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert [p for p in packages() if f"{p}/" not in text and f"{p}.py" not in text] == []


def test_the_contract_lists_the_same_packages() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contract["contracts"][0]["layers"]
    listed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    assert listed == packages()


def test_every_module_says_what_it_is_for() -> None:
    silent = [m for m in MODULES if len(ast.get_docstring(ast.parse(m.read_text())) or "") < 10]
    assert [str(m.relative_to(SOURCE)) for m in silent] == []
