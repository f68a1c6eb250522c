"""The verdict report as one picture: an SVG without scripts, links or outside parts. Called by the
command and by pages. The same report gives the same bytes.

Light and dark follow the reader (`prefers-color-scheme`), text grows where the picture is narrow,
and colour is never alone: the stable version is dashed, a verdict has a sign and a word.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from headway.analysis.axis import Axis, Scale, axis, duration, times
from headway.analysis.report import Report
from headway.analysis.tracks import SignalReport, Track

WIDTH, LEFT, RIGHT = 640.0, 86.0, 626.0
PANEL, EVIDENCE = 118.0, 118.0
LINE = 54  # characters of a sentence in one line
FLOOR = -6.0  # log evidence below this is no news
SIGNS = {"PASS": ("✓", "pass"), "WAIT": ("◷", "wait"), "FAIL": ("✗", "fail")}

STYLE = """
svg{max-width:800px;width:100%;height:auto;background:#fff;--ink:#1a1b1e;--muted:#5c5f66;
--grid:#e6e6e2;--new:#2350d0;--old:#6b6e76;--pass:#16693c;--wait:#855000;--fail:#b3261e;
font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
.page{fill:#fff}
text{fill:var(--ink);font-variant-numeric:tabular-nums}
.muted{fill:var(--muted)}.title{font-size:18px;font-weight:620}.name{font-weight:600}
.end{text-anchor:end}.mid{text-anchor:middle}
.grid{stroke:var(--grid);fill:none}.step{stroke:var(--muted);stroke-dasharray:2 3;opacity:.7}
.new{stroke:var(--new);stroke-width:2;fill:none}
.old{stroke:var(--old);stroke-width:1.6;stroke-dasharray:5 3;fill:none}
.newband{fill:var(--new);opacity:.17;stroke:var(--new);stroke-width:1.5}
.oldband{fill:var(--old);opacity:.2;stroke:var(--old);stroke-width:1.5}
.ended{stroke-width:2}
.share{fill:var(--new)}.limit{stroke:var(--fail);stroke-width:1.4;stroke-dasharray:7 3}
.pass{fill:var(--pass)}.wait{fill:var(--wait)}.fail{fill:var(--fail)}
line.pass{stroke:var(--pass)}line.wait{stroke:var(--wait)}line.fail{stroke:var(--fail)}
@media (prefers-color-scheme:dark){svg{background:#17181b;--ink:#ececee;--muted:#a2a6ae;
--grid:#2c2f35;--new:#93b2ff;--old:#9a9ea7;--pass:#5cc98d;--wait:#ecb760;--fail:#ff9187}
.page{fill:#17181b}.newband{opacity:.27}.oldband{opacity:.24}}
@media (max-width:520px){svg{font-size:20px}.title{font-size:25px}.wide{display:none}}
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn. `steps`: (share, seconds at which it began) of those that did; `ended`: when
    it was released or went back, in seconds. Names may be hostile: they are escaped here.
    """

    title: str
    state: str
    candidate: str
    stable: str
    steps: tuple[tuple[float, float], ...]
    report: Report
    ended: float | None = None

    @property
    def went_back(self) -> bool:
        """Whether nobody is on the candidate any more."""
        return self.ended is not None and self.state in {"rolled_back", "failed"}


def plot(picture: Picture) -> str:
    """The SVG document, UTF-8 text."""
    found = picture.report
    marks = [since for _, since in picture.steps] + [picture.ended or 0.0]
    end = max([t.end_seconds for t in found.ticks] + marks + [1.0])
    across = Scale(0.0, end, LEFT, RIGHT)
    parts, y = _head(picture)
    drawn, y = _shares(picture, across, y)
    parts += drawn
    for number, signal in enumerate(s for s in found.signals if s.candidate or s.stable):
        drawn, y = _panel(picture, signal, across, (y, number))
        parts += drawn
    drawn, y = _evidence(picture, across, y)
    parts += drawn
    return _document(picture, parts, y)


def _document(picture: Picture, parts: list[str], height: float) -> str:
    found = picture.report
    told = f"{picture.state}. {found.outcome}: {found.because}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {_n(height)}" '
            'role="img" aria-labelledby="t d">',
            f'<title id="t">{_text(picture.title)}</title>',
            f'<desc id="d">{_text(told)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH:g}" height="{_n(height)}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _head(picture: Picture) -> tuple[list[str], float]:
    found = picture.report
    sign, tone = SIGNS.get(found.outcome, SIGNS["WAIT"])
    parts = [_word(picture.title, 14, 30, "title")]
    word = f"{sign} {found.outcome}"
    parts.append(_word(word, 14, 58, f"name {tone}"))
    parts.append(_word(_state(picture), RIGHT, 58, "muted end"))
    y = 58.0
    for line in lines(found.because, LINE, 4):
        y += 23
        parts.append(_word(line, 14, y, ""))
    y += 32
    parts += _key(picture, y)
    return parts, y + 14


def _state(picture: Picture) -> str:
    """Where it is, and when it got there: what the last marker stands for."""
    word = picture.state.replace("_", " ")
    return word if picture.ended is None else f"{word} after {duration(round(picture.ended))}"


def _key(picture: Picture, y: float) -> list[str]:
    """What the two lines are."""
    parts = []
    sides = [("new", picture.candidate, 14.0), ("old", picture.stable, 14 + WIDTH / 2)]
    for kind, name, x in sides:
        if name:
            parts.append(_box(f"{kind}band", x, y - 12, 34, 14))
            parts.append(f'<line class="{kind}" x1="{x:g}" x2="{x + 34:g}" {_level(y - 5)}/>')
            parts.append(_word(short(name, 22), x + 42, y, "name"))
    return parts


def _shares(picture: Picture, across: Scale, y: float) -> tuple[list[str], float]:
    """The candidate's share as a strip whose darkness grows with it."""
    parts, top = [], y + 8
    last = across.high if picture.ended is None or not picture.went_back else picture.ended
    ends = [since for _, since in picture.steps[1:]] + [last]
    for (share, since), until in zip(picture.steps, ends, strict=False):
        left, right = across.at(since), across.at(until)
        opacity = 0.12 + 0.5 * share
        box = _box("share", left, top, max(1.0, right - left - 1), 26)
        parts.append(box.replace("/>", f' opacity="{opacity:.2f}"/>'))
        if right - left > 46:
            parts.append(_word(f"{100 * share:.3g}%", (left + right) / 2, top + 19, "mid"))
    parts.append(_word("share", LEFT - 8, top + 19, "muted end"))
    return parts, top + 26


def _panel(
    picture: Picture, signal: SignalReport, across: Scale, place: tuple[float, int]
) -> tuple[list[str], float]:
    y, number = place
    ruler = axis(_reach(signal), share=signal.unit == "share")
    top = y + 66
    up = Scale(ruler.low, ruler.high, top + PANEL, top)
    word, tone = ("◷ not proven", "wait") if signal.needed else ("watched", "muted")
    if signal.harm_excluded:
        word, tone = "✓ harm excluded", "pass"
    if signal.log_evidence is not None and signal.log_evidence >= 3.0:
        word, tone = "✗ looks worse", "fail"
    parts = [
        _word(short(signal.name, 26), 14, y + 34, "name"),
        _word(word, RIGHT, y + 34, f"end {tone}"),
        _word(_numbers(signal, ruler), 14, y + 56, "muted"),
        *_frame(picture, across, up, ruler),
        f'<clipPath id="c{number}">{_box("", LEFT, top, RIGHT - LEFT, PANEL)}</clipPath>',
        f'<g clip-path="url(#c{number})">',
        *_track("old", signal.stable, across, up),
        *_track("new", signal.candidate, across, up),
        "</g>",
    ]
    return parts, top + PANEL


def _numbers(signal: SignalReport, ruler: Axis) -> str:
    """`0.85 % (0.12 to 2.8) against 1.1 % (0.72 to 1.6)`, as far as it is known."""
    shown = [
        ruler.ranged(t.points[-1].estimate, t.points[-1].low, t.points[-1].high)
        for t in (signal.candidate, signal.stable)
        if t is not None
    ]
    return " against ".join(shown)


def _reach(signal: SignalReport) -> list[float]:
    """What must be seen: every estimate, and where the bands end. They begin far outside."""
    known = [t for t in (signal.candidate, signal.stable) if t is not None]
    last = [t.points[-1] for t in known]
    ends = [edge for p in last for edge in (p.low, p.high) if edge is not None]
    late = [p.estimate for t in known for p in t.points[len(t.points) // 4 :]]
    return [*ends, *late]


def _frame(picture: Picture, across: Scale, up: Scale, ruler: Axis) -> list[str]:
    parts = []
    for tick in ruler.ticks:
        y = up.at(tick)
        parts.append(f'<line class="grid" x1="{LEFT:g}" x2="{RIGHT:g}" {_level(y)}/>')
        parts.append(_word(ruler.label(tick), LEFT - 8, y + 5, "muted end"))
    marks = [("step", since) for _, since in picture.steps]
    if picture.ended is not None:
        marks.append((f"ended {'fail' if picture.went_back else 'pass'}", picture.ended))
    for kind, since in marks:
        x = _n(across.at(since))
        ends = f'y1="{_n(up.end)}" y2="{_n(up.begin)}"'
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" {ends}/>')
    return parts


def _track(kind: str, track: Track | None, across: Scale, up: Scale) -> list[str]:
    if track is None:
        return []
    above, below, middle = [], [], []
    for point in track.points:
        x = across.at(point.seconds)
        middle.append((x, up.at(point.estimate)))
        if point.low is not None and point.high is not None:
            above.append((x, up.at(point.high)))
            below.append((x, up.at(point.low)))
    parts = []
    if above:
        parts.append(f'<polygon class="{kind}band" points="{_path([*above, *below[::-1]])}"/>')
    if len(middle) == 1:
        (x, y) = middle[0]
        parts.append(f'<circle class="{kind}" cx="{_n(x)}" cy="{_n(y)}" r="3"/>')
    return [*parts, f'<polyline class="{kind}" points="{_path(middle)}"/>']


def _evidence(picture: Picture, across: Scale, y: float) -> tuple[list[str], float]:
    """Log evidence of harm against the boundary at which a version is rolled back."""
    found = picture.report
    weighed = [(t.end_seconds, t.log_evidence) for t in found.ticks]
    known = [(x, max(FLOOR, e)) for x, e in weighed if e is not None]
    limit = found.boundary if found.boundary is not None else -math.log(1 - found.confidence)
    words = f"log e-value; at most {100 * (1 - found.confidence):.3g}% of good ones reach the line"
    sign, tone = SIGNS.get(found.outcome, SIGNS["WAIT"])
    held = "none" if found.log_evidence is None else f"{found.log_evidence:.1f}"
    top = y + 66
    high = max([limit * 1.15] + [e for _, e in known])
    low = min([-1.0] + [e for _, e in known])
    up = Scale(low, high, top + EVIDENCE, top)
    parts = [
        _word("evidence of harm", 14, y + 34, "name"),
        _word(f"{sign} {held}, rolled back at {limit:.1f}", RIGHT, y + 34, f"end {tone}"),
        _word(words, 14, y + 56, "muted"),
        *_frame(picture, across, up, Axis(low, high, (0.0,), 1.0, "")),
        f'<line class="limit" x1="{LEFT:g}" x2="{RIGHT:g}" {_level(up.at(limit))}/>',
        _word(f"{limit:.1f}", LEFT - 8, up.at(limit) + 5, "fail end"),
    ]
    if known:
        line = _path([(across.at(x), up.at(e)) for x, e in known])
        parts.append(f'<polyline class="new" points="{line}"/>')
        parts.append(_mark(picture, across, up, known[-1]))
    for tick in times(across.high):
        anchor = "end" if tick > 0.93 * across.high else "mid" if tick else ""
        parts.append(_word(duration(tick), across.at(tick), top + EVIDENCE + 24, f"muted {anchor}"))
    return parts, top + EVIDENCE + 40


def _mark(picture: Picture, across: Scale, up: Scale, last: tuple[float, float]) -> str:
    """Where the verdict stands now, or fell."""
    _, tone = SIGNS.get(picture.report.outcome, SIGNS["WAIT"])
    x, y = across.at(last[0]), up.at(last[1])
    return f'<circle class="{tone}" cx="{_n(x)}" cy="{_n(y)}" r="5"/>'


def lines(sentence: str, most: int, count: int) -> list[str]:
    """The sentence in at most `count` lines of about `most` characters, the last one cut."""
    found = [""]
    for word in _clean(sentence).split(" "):
        if found[-1] and len(found[-1]) + len(word) >= most:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    if len(found) > count:
        found = [*found[: count - 1], found[count - 1] + " …"]
    return [short(line, most + 12) for line in found]


def short(name: str, most: int) -> str:
    """Cut in the middle of nothing: the beginning tells most."""
    clean = _clean(name)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable())


def _text(text: str) -> str:
    return escape(_clean(text))


def _word(text: str, x: float, y: float, kind: str) -> str:
    name = f' class="{kind.strip()}"' if kind else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{name}>{_text(text)}</text>'


def _box(kind: str, x: float, y: float, width: float, height: float) -> str:
    name = f'class="{kind}" ' if kind else ""
    return f'<rect {name}x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="2"/>'


def _level(y: float) -> str:
    return f'y1="{_n(y)}" y2="{_n(y)}"'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
