"""Matrices written out, as the documentation's examples and its rules say."""

from typing import Any

import pytest

from headway.document import WITH_ANCHORS, read
from headway.expression import Scope
from headway.pipeline.run.matrix import BadMatrix, expand, suffixed

NEEDS = {"a": {"result": "success", "outputs": {"list": '["x","y"]', "all": '{"v":[1,2]}'}}}
CONTEXTS: dict[str, Any] = {"needs": NEEDS, "github": {"event": {"sizes": [1, 2, 3]}}}


def found(text: str) -> list[dict[str, Any]]:
    node = read(text, "m.yml", limits=WITH_ANCHORS)
    return [matrix for matrix, _ in expand(node, Scope(CONTEXTS, {}))]


def names(text: str) -> list[str]:
    node = read(text, "m.yml", limits=WITH_ANCHORS)
    return [suffixed("t", words) for _, words in expand(node, Scope(CONTEXTS, {}))]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("v: [10, 12]\nos: [l, w]", ["10 l", "10 w", "12 l", "12 w"]),
        ("os: [l, w]\nv: [10, 12]", ["l 10", "l 12", "w 10", "w 12"]),
        ("v: [1, 2]\nexclude: [{v: 1}]", ["2"]),
        ("v: [1, 2]\nos: [l, w]\nexclude: [{v: 1, os: w}, {v: 2}]", ["1 l"]),
        ("v: [1]\ninclude: [{v: 2}]", ["1", "2"]),
        ("include: [{a: 1}, {a: 2, b: 3}]", ["1", "2 3"]),
        ("v: ['1', 1]\nexclude: [{v: 1}]\ninclude: [{v: 5}]", ["5"]),
        ("v: [A, b]\nexclude: [{v: a}]", ["b"]),
        ("v: ${{ fromJSON(needs.a.outputs.list) }}", ["x", "y"]),
        ("v: ${{ github.event.sizes }}\nexclude: [{v: 2}]", ["1", "3"]),
        ("v: ['${{ needs.a.result }}', 2]", ["success", "2"]),
        ('include: ${{ fromJSON(\'[{"k":"z"}]\') }}', ["z"]),
        ("o: [{n: 1, d: [x]}, {n: 2, d: [y]}]\nexclude: [{o: {d: [x]}}]", ["2 y"]),
    ],
)
def test_combinations(text: str, wanted: list[str]) -> None:
    assert names(text) == [f"t ({', '.join(w.split())})" for w in wanted]


def test_whole_matrix_is_an_expression() -> None:
    assert found('"${{ fromJSON(needs.a.outputs.all) }}"') == [{"v": 1}, {"v": 2}]


def test_documented_example_of_include() -> None:
    text = """\
fruit: [apple, pear]
animal: [cat, dog]
include:
  - color: green
  - {color: pink, animal: cat}
  - {fruit: apple, shape: circle}
  - fruit: banana
  - {fruit: banana, animal: cat}
"""
    assert found(text) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_what_was_added_is_not_in_the_name() -> None:
    assert names("v: [1]\ninclude: [{v: 1, extra: no}, {v: 2, extra: yes}]") == [
        "t (1)",
        "t (2, yes)",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v: []", "empty list"),
        ("v: ${{ github.event.gone }}", "not a list"),
        ("v: [1]\nexclude: [{w: 1}]", "`w`"),
        ("v: [1]\nexclude: [{v: 1}]", "no combination is left"),
        ("include: []", "no combination is left"),
        ("v: [1]\ninclude: [7]", "list of mappings"),
        ('"${{ needs.a.result }}"', "mapping of lists"),
        (
            f"a: ${{{{ fromJSON('{list(range(17))}') }}}}\nb: {list(range(16))}",
            "more than 256",
        ),
    ],
)
def test_what_cannot_be_written_out(text: str, words: str) -> None:
    with pytest.raises(BadMatrix, match=words):
        found(text)


def test_a_bomb_is_refused_before_it_is_written_out() -> None:
    ten = "[0,1,2,3,4,5,6,7,8,9]"
    with pytest.raises(BadMatrix, match="more than 256"):
        found("".join(f"k{n}: {ten}\n" for n in range(12)))


def test_a_long_name_is_cut() -> None:
    assert len(suffixed("t", ("x" * 300,))) == 100
