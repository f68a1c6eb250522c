"""The picture: well formed, harmless, the same bytes again, and every mark inside it."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.analysis.reported import judged_on, told
from tests.unit.analysis.traffic import Truth

from headway.analysis.axis import axis, duration, times
from headway.analysis.plot import WIDTH, Picture, plot

SVG = "{http://www.w3.org/2000/svg}"
STEPS = ((0.05, 0.0), (0.25, 150.0), (0.5, 300.0))
REPORT = told(Truth(rate=60.0), 40, 15).report()
FAILED = told(Truth(errors_c=0.05), 60, 15).report(None)
HOSTILE = "</text><script>alert(1)</script> \x1b[31m & \" ' \u202e \x00"


def picture(report=REPORT, **changes) -> Picture:
    made = Picture("shop-4 in shop/production", "held", "shop-4", "shop-3", STEPS, report)
    return replace(made, **changes)


def tree(made: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(plot(made))


def words(made: Picture) -> list[str]:
    return [t.text or "" for t in tree(made).iter(f"{SVG}text")]


@pytest.mark.seed("S-282")
def test_every_signal_has_both_bands_the_steps_and_the_verdict():
    root = tree(picture(FAILED, state="rolled_back"))
    for kind in ("new", "old"):
        bands = [p for p in root.iter(f"{SVG}polygon") if p.get("class") == f"{kind}band"]
        assert len(bands) == len([s for s in FAILED.signals if s.candidate])
    told_words = words(picture(FAILED, state="rolled_back"))
    assert "✗ FAIL" in told_words
    assert "rolled back" in told_words
    assert {"5%", "25%", "errors", "evidence of harm"} <= set(told_words)
    assert any("rolled back at 4.6" in w for w in told_words)
    limit = [e for e in root.iter(f"{SVG}line") if e.get("class") == "limit"]
    assert len(limit) == 1


def upright(made: Picture) -> list[tuple[str, float]]:
    """Vertical lines: (class, x)."""
    lines = tree(made).iter(f"{SVG}line")
    known = [(e.get("class") or "", e.get("x1") or "", e.get("x2") or "") for e in lines]
    return [(kind, float(left)) for kind, left, right in known if left == right]


@pytest.mark.seed("S-152")
@pytest.mark.parametrize(
    ("state", "report", "tone"), [("rolled_back", FAILED, "fail"), ("released", REPORT, "pass")]
)
def test_every_chart_has_markers_where_it_was_deployed_and_where_it_ended(state, report, tone):
    end = max(t.end_seconds for t in report.ticks) + 60.0
    made = picture(report, state=state, ended=end)
    charts = len([s for s in report.signals if s.candidate]) + 1
    marks = upright(made)
    steps = [x for kind, x in marks if kind == "step"]
    ended = [x for kind, x in marks if kind == f"ended {tone}"]
    assert steps == steps[:3] * charts
    assert ended == ended[:1] * charts
    left, first, second = steps[:3]
    assert (first - left) / (ended[0] - left) == pytest.approx(150 / end, abs=0.01)
    assert (second - left) / (ended[0] - left) == pytest.approx(300 / end, abs=0.01)
    assert f"{state.replace('_', ' ')} after {duration(round(end))}" in words(made)
    assert not [kind for kind, _ in upright(picture(report)) if "ended" in kind]


def test_it_can_be_read_by_those_who_do_not_see_it():
    root = tree(picture())
    ids = (root.get("aria-labelledby") or "").split()
    assert root.get("role") == "img"
    said = {e.get("id"): e.text for e in root if e.tag in {f"{SVG}title", f"{SVG}desc"}}
    assert [said[i] for i in ids] == [
        "shop-4 in shop/production",
        f"held. {REPORT.outcome}: {REPORT.because}",
    ]


def test_light_and_dark_and_narrow_are_told_by_style_and_nothing_is_loaded():
    text = plot(picture())
    assert "prefers-color-scheme:dark" in text
    assert "max-width:520px" in text
    assert not re.search(r"<script|href|url\((?!#c\d+\))|@import|on\w+=", text)


def test_hostile_names_stay_text():
    signal = replace(REPORT.signals[0], name=HOSTILE)
    report = replace(REPORT, because=HOSTILE, signals=(signal,))
    made = picture(report, title=HOSTILE, candidate=HOSTILE, stable=HOSTILE, state=HOSTILE)
    text = plot(made)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert any("alert(1)" in w for w in words(made))


def test_the_same_report_gives_the_same_bytes():
    assert plot(picture()) == plot(picture())


def test_every_mark_is_inside_or_clipped():
    root = tree(picture())
    height = float((root.get("viewBox") or "").split()[3])
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, "0")) <= WIDTH
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(name, "0")) <= height
        for pair in (element.get("points") or "").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= WIDTH
            assert abs(y) <= 10_000
    assert "nan" not in plot(picture()).replace("nano", "")


def test_a_report_without_windows_is_a_picture_too():
    made = picture(judged_on([]).report(), steps=(), stable="")
    assert "◷ WAIT" in words(made)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.just(0.0) | st.floats(1e-7, 1), min_size=1, max_size=9), st.booleans())
def test_an_axis_holds_its_values_between_round_ticks(values, share):
    made = axis(values, share=share)
    assert made.low <= min(values) <= max(values) <= made.high
    assert 1 <= len(made.ticks) <= 6
    assert all(made.low - 1e-9 <= t <= made.high * (1 + 1e-9) for t in made.ticks)
    assert len({made.label(t) for t in made.ticks}) == len(made.ticks)


@given(st.floats(1, 1e7))
def test_times_are_round_and_few(end):
    found = times(end)
    assert found[0] == 0
    assert 1 <= len(found) <= 5
    assert found[-1] <= end
    assert len({duration(t) for t in found}) == len(found)
