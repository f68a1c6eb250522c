import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.adapters.statsd.emitter import lines
from headway.adapters.statsd.lines import Line, parse
from headway.adapters.statsd.totals import IDLE_SECONDS, MOST_SERIES, Totals
from headway.model.deployment import Deployed


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:1|c", Line("a", "c", (1.0,), {})),
        ("a.b:2.5|c|@0.5|#x:y", Line("a.b", "c", (2.5,), {"x": "y"}, 0.5)),
        ("g:-3|g", Line("g", "g", (-3.0,), {}, relative=True)),
        ("g:3|g|#env:production,version:shop-2,service:shop",
         Line("g", "g", (3.0,),
              {"environment": "production", "release": "shop-2", "service": "shop"})),
        ("t:320|ms", Line("t", "ms", (320.0,), {})),
        ("t:1:2:3|d|#a", Line("t", "d", (1.0, 2.0, 3.0), {"a": "true"})),
        ("u:ana|s|c:abc", Line("u", "s", ("ana",), {})),
        ("a:1|c|#url:http://x:80/y,odd-name:1", Line("a", "c", (1.0,),
                                                   {"url": "http://x:80/y", "odd_name": "1"})),
    ],
)  # fmt: skip
def test_lines_that_make_sense(text: str, line: Line) -> None:
    assert parse(text) == line


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:1", ":1|c", "a:x|c", "a:nan|c", "a:inf|g", "a:1|q", "a:1|c|@0", "a:1|c|@2",
     "a:1|c|@x", "a:|c", "_e{5,4}:title|text", "_sc|name|0", "a:1|c|#" + "t," * 40,
     "a:1|c|#:v", "a:1|c|#a:\x1b[31m", "\x07:1|c", "a" * 300 + ":1|c"],
)  # fmt: skip
def test_lines_that_make_none(text: str) -> None:
    assert parse(text) is None


@given(st.text(max_size=200))
def test_no_line_breaks_the_parser(text: str) -> None:
    found = parse(text)
    if found is not None:
        totals = Totals()
        totals.add(found, 0.0)
        list(totals.flush(1.0))


def standing(totals: Totals, now: float = 1.0) -> dict[str, float]:
    return {p.metric + p.labels.get("le", ""): p.value for p in totals.flush(now)}


def test_lines_add_up() -> None:
    totals = Totals()
    for text in ("c:1|c|@0.1", "c:5|c", "g:7|g", "g:-2|g", "s:a|s", "s:b|s", "s:a|s"):
        totals.add(parse(text), 0.0)  # type: ignore[arg-type]
    assert standing(totals) == {"c": 15.0, "g": 5.0, "s": 2.0}
    assert standing(totals) == {"c": 15.0, "g": 5.0, "s": 0.0}
    assert standing(totals, IDLE_SECONDS + 2) == {}


def test_timings_are_a_cumulative_histogram() -> None:
    totals = Totals()
    for text in ("t:3|ms", "t:70|ms|@0.5", "t:1000000|ms"):
        totals.add(parse(text), 0.0)  # type: ignore[arg-type]
    found = standing(totals)
    assert found["t_count"] == found["t_bucket+Inf"] == 4
    assert (found["t_bucket2"], found["t_bucket5"], found["t_bucket100"]) == (0, 1, 3)
    assert found["t_bucket60000"] == 3


def test_series_are_bounded() -> None:
    totals = Totals()
    for n in range(MOST_SERIES + 7):
        totals.add(Line(f"n{n}", "c", (1.0,), {}), 0.0)
    assert totals.overflow == 7


@pytest.mark.seed("S-156")
def test_deployments_are_told_with_the_names_and_tags_that_teams_count() -> None:
    good = lines(Deployed("shop", "production", "shop-2", success=True, seconds=12.5))
    whose = "version:shop-2,service:shop,environment:production,release:shop-2"
    assert good == [
        f"deployment.count:1|c|#{whose},success:true",
        f"deployment.duration_seconds:12.500|h|#{whose}",
    ]
    bad = lines(Deployed("shop", "production", "sh|op#2", success=False, seconds=3))
    whose = "version:sh_op_2,service:shop,environment:production,release:sh_op_2"
    assert bad == [
        f"deployment.count:1|c|#{whose},success:false",
        f"deployment.duration_seconds:3.000|h|#{whose}",
        f"deployment.failure:1|c|#{whose}",
    ]
    assert all(parse(text) for text in (*good, *bad))
