"""Ranges as node-semver and Python have them, and the files that say a version."""

import pytest

from headway.adapters.linux.actions.version_files import read_version
from headway.adapters.linux.actions.versions import best, fits, parse, shown
from headway.model.errors import Invalid

YES = """
3.11.7: 3 | 3.x | 3.11 | 3.11.x | 3.11.7 | v3.11.7 | =3.11.7 | * | ^3.8 | ~3.11 | ~3.11.2 | >=3.9
3.11.7: >=3.9 <3.13 | >= 3.9, < 4 | ~=3.11 | ~=3.11.2 | ==3.11.* | !=3.10.* | 3.9 - 3.12 | 2 || 3
3.11.7: >3.10 | <=3.11 | <3.12 | ~3 | X | >=3.11.7 <=3.11.7 | 3.9 - 3.11
20.20.2: 20 | ^20 | 18 || 20 | >=18
0.2.5: ^0.2.3 | ~0.2 | ^0.2
"""
NO = """
3.11.7: 3.1 | 3.12 | 3.11.6 | 4 | ^2 | ~3.10 | ~3.11.8 | >=3.12 | <3.11 | >3.11 | >3.11.7 | <3.11.7
3.11.7: ~=3.12 | ==3.10.* | !=3.11.* | 3.12 - 3.13 | 2 || 4 | ~=3.10.1 | >=3.9 <3.11
20.20.2: 18 | ^18 | 2 | 200
0.2.5: ^0.3 | ^0.1 | ^0.2.6
"""


def cases(text: str) -> list[tuple[str, str]]:
    found = []
    for line in text.strip().splitlines():
        version, _, ranges = line.partition(": ")
        joined = ranges.replace(" || ", "||")
        found += [(version, wanted.strip()) for wanted in joined.split(" | ")]
    return found


@pytest.mark.parametrize(("version", "wanted"), cases(YES))
def test_versions_in_a_range(version: str, wanted: str) -> None:
    assert fits(parse(version), wanted)


@pytest.mark.parametrize(("version", "wanted"), cases(NO))
def test_versions_outside(version: str, wanted: str) -> None:
    assert not fits(parse(version), wanted)


@pytest.mark.parametrize("wanted", ["latest", "3.11; rm -rf /", "pypy3.10", ">=", "three", "3..1"])
def test_what_is_no_range(wanted: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        fits((3, 11), wanted)


def test_the_newest_that_fits_is_taken() -> None:
    here = [parse(v) for v in ("3.9.18", "3.12.1", "3.11.7", "3.11.10")]
    assert best(here, "3.11") == (3, 11, 10)
    assert best(here, "<3.11") == (3, 9, 18)
    assert best(here, "4") is None
    assert shown((3, 11, 10)) == "3.11.10"
    assert parse("go1.22.3 linux") == (1, 22, 3)
    with pytest.raises(ValueError, match="no version"):
        parse("none")


@pytest.mark.parametrize(
    ("name", "text", "word", "expected"),
    [
        (".python-version", "# mine\n3.11\n", "python", "3.11"),
        (".nvmrc", "v20.1\n", "node", "v20.1"),
        (".tool-versions", "python 3.11.7 # x\nnodejs 20.1.0\ngolang 1.22", "node", "20.1.0"),
        ("sub/.tool-versions", "golang 1.22", "go", "1.22"),
        ("go.mod", "module x\n\ngo 1.21 // why\n", "go", "1.21"),
        ("go.mod", "go 1.21\ntoolchain go1.22.3\n", "go", "1.22.3"),
        (".go-version", "go1.22\n", "go", "1.22"),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.11"\n', "python", ">=3.11"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.9"\n', "python", "^3.9"),
        ("package.json", '{"engines": {"node": ">=18"}}', "node", ">=18"),
        ("package.json", '{"volta": {"node": "20.1"}, "engines": {"node": "1"}}', "node", "20.1"),
        (".sdkmanrc", "java=17.0.9-tem\n", "java", "17.0.9"),
    ],
)
def test_files_say_versions(name: str, text: str, word: str, expected: str) -> None:
    assert read_version(name, text, word) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((".python-version", ""), ("pyproject.toml", "["), ("pyproject.toml", "x = 1")),
        *(("package.json", "[]"), ("package.json", "{"), (".tool-versions", "ruby 3")),
        *(("pyproject.toml", "project = 1"), ("package.json", '{"engines": 1}')),
    ],
)
def test_files_that_say_none(name: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_version(name, text, "node" if name == "package.json" else "python")
    assert refused.value.code == "bad-version"
