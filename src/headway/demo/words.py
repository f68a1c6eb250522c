"""The demo's words: what will be seen, and the summary. Called by `command`.

One column for each version, so that the table fits 60 columns; sentences are wrapped on a terminal
and left whole in a pipe. Plain lines: `cli.context` paints the signs of states.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from headway.demo.report import Asked, DeliveryReport
from headway.wording.text import columns, percent, plain, short, span, symbol

LABEL = 10
WELCOME = "open it in a browser: it works once, for 1 h; there you choose a name and a password"
FAULTS = {
    "both": "answers 2 % of its busiest route with errors and is 40 % slower there",
    "errors": "answers 2 % of its busiest route with errors",
    "latency": "is 40 % slower on its busiest route",
    "leak": "keeps memory and becomes slower and slower",
    "none": "is as good as v2",
}


@dataclass(frozen=True, slots=True)
class Page:
    """`width`: columns of the terminal; None: a pipe, where nothing is wrapped."""

    width: int | None

    def sentence(self, label: str, text: str) -> list[str]:
        """A label, and a text beside it."""
        head, clean = f"{label:<{LABEL}}", plain(text)
        if self.width is None:
            return [head + clean]
        indent = " " * LABEL
        return textwrap.wrap(
            clean,
            max(40, self.width),
            initial_indent=head,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def paragraph(self, text: str) -> list[str]:
        """A text by itself."""
        if self.width is None:
            return [text]
        return textwrap.wrap(text, max(40, self.width), break_on_hyphens=False)


def opening(page: Page, asked: Asked) -> list[str]:
    """Two sentences: what will be seen, and what is real about it."""
    if asked.low_traffic:
        third = "v2 is good, but with so few users nobody can know: it must end in hold"
        story = (
            f"A small shop is delivered twice while about {asked.rate:g} user/s comes by: v1 is "
        )
        story += f"the first release, {third}."
    else:
        story = f"A small shop is delivered three times while users send {asked.rate:g} requests/s:"
        story += " v1 is the first release, v2 is good, and v3 passes every test but "
        story += f"{FAULTS[asked.fault]}."
    kills = " The server is killed with SIGKILL in both canaries." if asked.chaos else ""
    real = "Git, builds, signatures, proxy and judge are the real ones, at pace `quick`: shorter "
    real += "windows and waits, the same proof."
    return page.paragraph(story) + page.paragraph(real + kills)


Row = tuple[str, Callable[[DeliveryReport], str]]
ROWS: tuple[Row, ...] = (
    ("commit", lambda d: d.commit[:7]),
    ("artifact", lambda d: short(d.digest)),
    ("outcome", lambda d: _outcome(d.outcome)),
    ("detected after", lambda d: _number(d.detect_seconds, "{:.1f} s")),
    ("rolled back in", lambda d: _number(d.rollback_ms, "{:.0f} ms")),
    ("canary's share", lambda d: "-" if d.exposed_share is None else percent(d.exposed_share)),
    ("users exposed", lambda d: f"{d.users_exposed:,}"),
    ("users hurt", lambda d: f"{d.users_hurt:,}"),
    ("p95 at client", lambda d: _number(d.p95_ms, "{:.0f} ms")),
    ("requests", lambda d: f"{d.requests_total:,}"),
    ("lost", lambda d: f"{d.requests_failed_by_delivery:,}"),
)


def _number(value: float | None, shape: str) -> str:
    return "-" if value is None else shape.format(value)


def _outcome(word: str) -> str:
    known = {"promoted": "delivered", "unfinished": "running"}.get(word, word)
    return f"{symbol(known)[0]} {word.replace('_', ' ')}"


def table(reports: Sequence[DeliveryReport]) -> list[str]:
    """Facts down, versions across."""
    rows = [["", *(d.version for d in reports)]]
    return columns(rows + [[label, *(tell(d) for d in reports)] for label, tell in ROWS])


def closing(page: Page, document: dict[str, Any], reports: Sequence[DeliveryReport]) -> list[str]:
    """What users saw, why it went back or was held, how it did, and where the evidence lies."""
    summary = document["summary"]
    told = page.sentence("result", _result(document, reports))
    told += [line for d in reports for line in _why(page, d)]
    told += page.sentence("users", _users(summary, reports))
    told += page.sentence("pace", _pace(summary))
    for kill in summary["server_kills"]:
        told += page.sentence("killed", _killed(kill))
    evidence = document["evidence"]
    told += page.sentence(
        "evidence", f"{evidence['database']}, every fact in order; the folder is yours to delete"
    )
    for number, command in enumerate(evidence["commands"]):
        told.append(f"{'next' if number == 0 else '':<{LABEL}}{command}")
    return told


def kept(page: Page, evidence: dict[str, Any], link: str) -> list[str]:
    """What runs on, where to look at it (`link` works once), and how to end it."""
    told = page.sentence("running", f"shop {evidence['production']}, server {evidence['server']}")
    told.append(f"{'':<{LABEL}}{evidence['status']}")
    told.append(f"{'pages':<{LABEL}}{link}")
    told += page.sentence("", WELCOME)
    return [*told, f"{'stop':<{LABEL}}{evidence['stop']}"]


def _result(document: dict[str, Any], reports: Sequence[DeliveryReport]) -> str:
    if not document["ok"]:
        return "✗ not as it should be; the reasons are below"
    ends = ", ".join(f"{d.version} {d.outcome.replace('_', ' ')}" for d in reports)
    return f"✓ as it should be: {ends}; no request lost by delivering"


def _why(page: Page, report: DeliveryReport) -> list[str]:
    if report.outcome in {"delivered", "promoted"} or not report.why:
        return []
    word = {"rolled_back": "back", "held": "held"}.get(report.outcome, report.outcome)
    decides = "; nothing goes on until a person decides" if word == "held" else ""
    return page.sentence(f"{report.version} {word}", report.why + decides)


def _users(summary: dict[str, Any], reports: Sequence[DeliveryReport]) -> str:
    rate = f"{summary['requests']:,} requests at {summary['rate_answered']:.0f}/s"
    faults = "".join(
        f", {d.requests_faulty} errors by {d.version} itself" for d in reports if d.requests_faulty
    )
    return f"{rate}, {summary['lost']} lost by delivering{faults}"


def _pace(summary: dict[str, Any]) -> str:
    told = f"quick, {span(summary['seconds'])} in all"
    done = summary["detect_to_done"]
    if done["p95_seconds"] is not None:
        told += f"; from verdict to all cleaned up {done['p95_seconds']:.1f} s (p95 of "
        told += f"{done['rollbacks']} rollback{'s' if done['rollbacks'] > 1 else ''})"
    return told


def _killed(kill: dict[str, Any]) -> str:
    when = f"{kill['after_seconds']:.1f} s into the canary of {kill['version']}"
    return f"the server by SIGKILL, {when}; back after {kill['down_seconds']:.1f} s"
