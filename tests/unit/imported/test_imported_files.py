import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.adapters.imported.files import read
from headway.model.errors import Invalid
from headway.model.series import Point


def written(tmp_path: Path, text: str, name: str = "s.csv") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


def test_csv(tmp_path: Path) -> None:
    text = (
        "metric,at,value,service,release\n"
        "carts_total,1800000000,7,shop,shop-2\n\n"
        'size,2027-01-15T08:00:00Z,"1.5",shop,\n'
    )
    assert read(written(tmp_path, text)) == [
        Point("carts_total", {"service": "shop", "release": "shop-2"}, "counter", 1.8e9, 7.0),
        Point("size", {"service": "shop"}, "gauge", 1.8e9, 1.5),
    ]


@pytest.mark.parametrize("shape", ["[%s, %s]", "%s\n\n%s\n"])
def test_json_as_a_list_or_by_lines(tmp_path: Path, shape: str) -> None:
    one = '{"metric": "a", "at": 5, "value": 1, "labels": {"x": "y"}, "kind": "counter"}'
    two = '{"metric": "b", "at": "1970-01-01T01:00:00+01:00", "value": 2}'
    assert read(written(tmp_path, shape % (one, two), "s.json")) == [
        Point("a", {"x": "y"}, "counter", 5.0, 1.0),
        Point("b", {}, "gauge", 0.0, 2.0),
    ]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("metric,value,at\n", 1, "the header must be"),
        ("metric,at,value,a,a\n", 1, "the header must be"),
        ("", 1, "the header must be"),
        ("metric,at,value\nx,1,2\nx,1\n", 3, "2 cells, the header has 3"),
        ("metric,at,value\nx,1,nan\n", 2, "which is no measurement"),
        ("metric,at,value\nx,1,many\n", 2, "'many', which is no number"),
        ("metric,at,value\nx,inf,1\n", 2, "`at` is"),
        ("metric,at,value\nx,2027-01-15T08:00:00,1\n", 2, "without a zone"),
        ("metric,at,value\nx,yesterday,1\n", 2, "Unix seconds or"),
        ("metric,at,value\n,1,1\n", 2, "`metric` is missing"),
        ('metric,at,value\nx,1,"2\n', 2, "cannot be read"),
    ],
)
def test_a_bad_row_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, sentence: str
) -> None:
    with pytest.raises(Invalid) as error:
        read(written(tmp_path, text))
    (problem,) = error.value.problems
    assert problem.line in (line, 0)
    assert sentence in problem.sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1]", "each sample is an object"),
        ('{"metric": "a", "at": 1, "value": 1, "tags": {}}', "unknown key `tags`"),
        ('{"metric": "a", "at": 1, "value": true}', "`value` is missing or no number"),
        ('{"metric": "a", "at": 1, "value": 1, "labels": {"a": 1}}', "object of texts"),
        ('{"metric": "a", "at": 1, "value": 1, "kind": "odd"}', "counter or gauge"),
        ("{", "no JSON"),
        ("[", "cannot be read"),
    ],
)
def test_bad_json_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as error:
        read(written(tmp_path, text, "s.json"))
    assert sentence in error.value.problems[0].sentence


def test_all_bad_rows_are_named_at_most_twenty(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as error:
        read(written(tmp_path, "metric,at,value\n" + "x,1,no\n" * 50))
    assert len(error.value.problems) == 20


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        read(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match="not UTF-8"):
        read(tmp_path / "b.csv")


@given(st.text(max_size=200), st.sampled_from(["csv", "json"]))
def test_no_text_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, text: str, kind: str
) -> None:
    file = tmp_path_factory.mktemp("i") / f"s.{kind}"
    file.write_bytes(text.encode("utf-8", "replace"))
    with contextlib.suppress(Invalid):
        read(file)
