"""What the reports of a run's jobs said, in words. Used by cli/pipeline_text and the live tree."""

from collections.abc import Iterable, Iterator

from headway.model.job import Checks, Layer
from headway.model.job_settings import Waiver
from headway.wording.text import percent, plain, span

MOST_NAMED = 10


def ordinal(number: int) -> str:
    """`2nd`."""
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def named(name: str, tries: int) -> str:
    """The job's name, with its try if it is not the first."""
    return f"{name}, {ordinal(tries)} try" if tries > 1 else name


def words(checks: Checks) -> str:
    """`12 tests, 1 failed, 3.2 s; 81.2% of lines; 2 findings`."""
    parts = []
    if checks.tests:
        also = [(checks.failed, "failed"), (checks.skipped, "skipped")]
        counts = [f"{checks.tests} tests", *(f"{n} {word}" for n, word in also if n)]
        parts.append(", ".join([*counts, span(checks.seconds)]))
    if checks.line_share is not None:
        parts.append(f"{percent(checks.line_share)} of lines")
    if checks.findings is not None:
        parts.append(f"{checks.findings} findings")
    return "; ".join(parts) or plain(checks.because, 200)


def forgiven(checks: Checks) -> Iterator[str]:
    """Tests that failed and do not block, each with why."""
    for one in checks.forgiven[:MOST_NAMED]:
        yield f"forgiven: {plain(one, 300)}"
    if len(checks.forgiven) > MOST_NAMED:
        yield f"… and {len(checks.forgiven) - MOST_NAMED} more"


def waived(checks: Checks) -> Iterator[str]:
    """Findings that do not block for now, each waiver with its owner, last day and reason; and
    those that block because a waiver has ended.
    """
    used = [use for use in checks.waivers if use.findings]
    for use in used[:MOST_NAMED]:
        waiver, more = use.waiver, use.findings - len(use.named)
        owner = plain(waiver.owner, 80)
        what = plain(", ".join(use.named) + (f" and {more} more" if more else ""), 300)
        if use.expired:
            yield f"waiver of {owner} expired on {waiver.expires}: {what}"
        else:
            yield f"waived by {owner} until {waiver.expires}: {what}: {plain(waiver.reason, 200)}"
    if len(used) > MOST_NAMED:
        yield f"… and {len(used) - MOST_NAMED} more waivers"


def idle(waivers: tuple[Waiver, ...]) -> Iterator[str]:
    """Waivers that a run did not need, as warnings."""
    for one in waivers[:MOST_NAMED]:
        what = plain(f"{one.rule} at {one.at}" if one.at else one.rule, 200)
        said = f"the waiver of {plain(one.owner, 80)} for {what} matches no finding that blocks"
        yield f"  warning  {said}: take it out of headway.yaml"
    if len(waivers) > MOST_NAMED:
        yield f"  warning  … and {len(waivers) - MOST_NAMED} more waivers match nothing"


def pyramid(several: Iterable[Checks]) -> str:
    """The tests of all jobs by size, and their whole time; "" if there are none:
    `25 unit 1.2 s, 3 e2e 9.0 s; 28 tests, 10.2 s in all`.
    """
    layers: dict[str, Layer] = {}
    for one in (layer for checks in several for layer in checks.layers):
        was = layers.get(one.size, Layer(one.size, 0, 0.0))
        layers[one.size] = Layer(one.size, was.tests + one.tests, was.seconds + one.seconds)
    if not layers:
        return ""
    told = ", ".join(f"{o.tests} {o.size} {span(o.seconds)}" for o in layers.values())
    tests, seconds = sum(o.tests for o in layers.values()), sum(o.seconds for o in layers.values())
    return f"{told}; {tests} tests, {span(seconds)} in all"
