"""`headway judge`: the judge on its own, one JSON line in, one JSON line out.

For benchmarks, for replaying recorded windows and for other tools. A `start` line resets
everything; each `window` line is answered by continue, promote or rollback with a reason. The
functions asked are the ones that a rollout asks.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, get_args

import click
import msgspec

from headway import typed
from headway.analysis.judge import Finding, Setup, State, begin
from headway.analysis.judge import judge as ask
from headway.cli import selftest
from headway.cli.options import Noun
from headway.model.errors import Invalid
from headway.model.pace import PACES, Pace
from headway.model.service import Analysis, InsufficientData
from headway.model.verdict import Outcome
from headway.model.window import Counts, VersionCounts, Window
from headway.rollout.step import StepEnd, step_ends

DEFAULTS = Analysis()
Whole = Annotated[int, msgspec.Meta(ge=0)]


class Margins(msgspec.Struct):
    """What the owner calls harm."""

    error_abs: float = DEFAULTS.errors_absolute
    error_rel: float = DEFAULTS.errors_relative
    latency_rel: float = DEFAULTS.latency_relative


class Side(msgspec.Struct):
    """Counts of one version in a window; `pods` are the same per instance."""

    requests: Whole
    errors: Whole
    hist: tuple[Whole, ...] = ()
    pods: tuple["Side", ...] = ()


class Start(msgspec.Struct, tag_field="type", tag="start"):
    """A new deployment. Milliseconds for bounds, seconds for the window."""

    bounds_ms: tuple[float, ...]
    steps: tuple[float, ...]
    window_s: float = 10.0
    margins: Margins = msgspec.field(default_factory=Margins)


class Seen(msgspec.Struct, tag_field="type", tag="window"):
    """One window; `t` is its end in seconds since the deployment began."""

    t: float
    weight: float
    canary: Side | None = None
    baseline: Side | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What the command line asked for."""

    pace: Pace
    holdback: float
    policy: InsufficientData


class Session:
    """One deployment being judged: the judge's state and the step in force."""

    def __init__(self, terms: Terms, start: Start) -> None:
        margins = start.margins
        analysis = Analysis(
            margins.error_abs, margins.error_rel, margins.latency_rel, pace=terms.pace
        )
        self.terms, self.start = terms, start
        self.setup = Setup(analysis, terms.holdback)
        self.state: State = begin(self.setup)
        self.step, self.step_from, self.index, self.last = 0, 0.0, 0, 0.0

    def answer(self, seen: Seen) -> dict[str, object]:
        """Judge one window and say what to do."""
        self.state, finding = ask(self.setup, self.state, self._window(seen))
        self.index, self.last = self.index + 1, seen.t
        if finding.verdict.outcome is Outcome.FAIL:
            return _told("rollback", finding)
        end = self._end(seen, finding)
        if end is StepEnd.NO:
            return _told("continue", finding)
        self.step, self.step_from = self.step + 1, seen.t
        told = _told("promote", finding) | {"holdback": self.terms.holdback}
        if end is StepEnd.UNPROVEN:
            told["reason"] = f"not proven, by the clock: {finding.verdict.because}"
        return told

    def _end(self, seen: Seen, finding: Finding) -> StepEnd:
        if self.step >= len(self.start.steps) - 1:
            return StepEnd.NO
        return step_ends(
            self.terms.pace,
            self.step,
            seen.t,
            seen.t - self.step_from,
            finding.verdict.outcome,
            finding.suspicion,
            None,
            self.terms.policy,
        )

    def _window(self, seen: Seen) -> Window:
        return Window(
            index=self.index,
            start=seen.t - self.start.window_s,
            end=seen.t,
            step=self.step,
            share=seen.weight,
            bounds_ms=self.start.bounds_ms,
            candidate=None if seen.missing else _version(seen.canary, "c"),
            stable=None if seen.missing else _version(seen.baseline, "b"),
        )


def _version(side: Side | None, letter: str) -> VersionCounts | None:
    if side is None:
        return None
    pods = {f"{letter}{i:03}": _counts(pod) for i, pod in enumerate(side.pods)}
    return VersionCounts(_counts(side), pods)


def _counts(side: Side) -> Counts:
    return Counts(side.requests, side.errors, side.hist)


def _told(action: str, finding: Finding) -> dict[str, object]:
    return {
        "action": action,
        "reason": finding.verdict.because,
        "outcome": finding.verdict.outcome.value,
        "log_evidence": finding.log_evidence,
        "baseline": finding.baseline,
    }


def answers(lines: Iterable[str], terms: Terms) -> Iterable[bytes]:
    """One JSON line for each line. Raises Invalid (`protocol`) with the number of a bad line."""
    decoder = typed.decoder(Start | Seen)
    encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
    session: Session | None = None
    for number, line in enumerate(lines, 1):
        message = _decoded(decoder, line, number)
        if isinstance(message, Start):
            session = _begun(terms, message, number)
            yield encode({"action": "ready"})
        elif session is None:
            raise _unreadable(number, "a window came before any start")
        else:
            yield encode(session.answer(message))


def _begun(terms: Terms, start: Start, number: int) -> Session:
    rises = all(a < b for a, b in pairwise(start.bounds_ms))
    if not start.steps or not rises or min(start.bounds_ms, default=1) <= 0:
        raise _unreadable(number, "steps must not be empty; bounds_ms must be positive and rise")
    return Session(terms, start)


def _decoded(decoder: "msgspec.json.Decoder[Start | Seen]", line: str, number: int) -> Start | Seen:
    try:
        return decoder.decode(line)
    except msgspec.MsgspecError as error:
        raise _unreadable(number, str(error)) from error


def _unreadable(number: int, why: str) -> Invalid:
    return Invalid(
        f"line {number} is not what `headway judge` reads",
        why=why,
        next="headway judge --help",
        code="protocol",
    )


class Share(click.ParamType[float]):
    """`5%` or `.05`, from 0 to 10 %."""

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share as a fraction of 1."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 0.10:
            self.fail(f"{text} is not a share from 0% to 10%", param, ctx)
        return share


@click.group(
    cls=Noun,
    invoke_without_command=True,
    examples=("headway judge < windows.jsonl", "headway judge selftest shop --log access.log"),
)
@click.option("--pace", type=click.Choice(sorted(PACES)), default="standard", show_default=True)
@click.option("--holdback", type=Share(), default="10%", show_default=True)
@click.option(
    "--insufficient-data",
    type=click.Choice(get_args(InsufficientData)),
    default="hold",
    show_default=True,
    help="What the clock may do at a step whose harmlessness is not proven.",
)
@click.pass_context
def judge(
    context: click.Context, pace: str, holdback: float, insufficient_data: InsufficientData
) -> None:
    """Judge windows read as JSON lines; one JSON answer for each line.

    A line of type `start` begins a deployment, lines of type `window` follow:

    \b
    {"type":"start","bounds_ms":[5,10,25],"steps":[0.05,0.25,0.5,1],"window_s":10}
    {"type":"window","t":10,"weight":0.05,
     "canary":{"requests":50,"errors":0,"hist":[40,8,2,0]},
     "baseline":{"requests":950,"errors":1,"hist":[760,152,38,0]}}
    """
    if context.invoked_subcommand is not None:
        return
    for answer in answers(sys.stdin, Terms(PACES[pace], holdback, insufficient_data)):
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


judge.add_command(selftest.command)
