"""Which jobs are copies of a template's, and where a copy says something else. Pure.

A copy has at least half of its steps from the template. Where the template takes an input
(`${{ inputs.x }}`) a copy may say anything. Called by flows/templates.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from headway.pipeline.template.shape import Fields, JobShape, StepShape

LIKE = 0.5
FEWEST_STEPS = 2
_INPUT = re.compile(r"\$\{\{\s*inputs\.[A-Za-z0-9_-]+\s*\}\}")
MOST_PATTERN = 20_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the copy does otherwise. `line`: in the copy. `what`: in words."""

    kind: Literal["added", "removed", "changed"]
    what: str
    line: int
    expected: str = ""
    got: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A job that was copied from a template's. Without differences it is an exact copy."""

    job: str
    of: str
    line: int
    differences: tuple[Difference, ...]


def copies(template: tuple[JobShape, ...], found: tuple[JobShape, ...]) -> tuple[Copy, ...]:
    """Each job that is like one of the template's, with how it differs from the likest."""
    told = []
    for job in found:
        best = max(template, key=lambda t: likeness(t, job), default=None)
        if best is not None and likeness(best, job) >= LIKE:
            told.append(Copy(job.id, best.id, job.line, tuple(differences(best, job))))
    return tuple(told)


def likeness(template: JobShape, job: JobShape) -> float:
    """Twice the steps that both have in one order, over all steps: from 0 to 1.

    0 for jobs of fewer than two steps, which are alike by chance. Checking out counts for nothing.
    """
    mine, others = _signs(template.steps), _signs(job.steps)
    if min(len(mine), len(others)) < FEWEST_STEPS:
        return 0.0
    return SequenceMatcher(None, mine, others, autojunk=False).ratio()


def _signs(steps: tuple[StepShape, ...]) -> list[str]:
    return [step.sign for step in steps if step.sign != "uses actions/checkout"]


def differences(template: JobShape, job: JobShape) -> Iterator[Difference]:
    """Everything that the job does otherwise, in the order of its lines."""
    found = [*_changed(template.fields, job.fields, f"job `{job.id}`", job.line)]
    signs = [s.sign for s in template.steps], [s.sign for s in job.steps]
    matcher = SequenceMatcher(None, *signs, autojunk=False)
    line = job.line
    for word, a, b, c, d in matcher.get_opcodes():
        if word == "equal":
            pairs = zip(template.steps[a:b], job.steps[c:d], strict=True)
            for mine, theirs in pairs:
                name = f"step `{theirs.name}`"
                found += _changed(mine.fields, theirs.fields, name, theirs.line)
                line = theirs.line
            continue
        found += [Difference("removed", f"step `{s.name}`", line) for s in template.steps[a:b]]
        found += [Difference("added", f"step `{s.name}`", s.line) for s in job.steps[c:d]]
    yield from sorted(found, key=lambda d: d.line)


def _changed(expected: Fields, got: Fields, where: str, line: int) -> Iterator[Difference]:
    for key, (value, _) in expected.items():
        if key not in got:
            if not _INPUT.fullmatch(value):
                yield Difference("removed", f"{where}: `{key}`", line, value)
        elif not fits(value, got[key][0]):
            yield Difference("changed", f"{where}: `{key}`", got[key][1], value, got[key][0])
    for key, (value, at) in got.items():
        if key not in expected:
            yield Difference("added", f"{where}: `{key}`", at, "", value)


def fits(template: str, text: str) -> bool:
    """Whether the text is the template's, its inputs being anything of one line."""
    parts = _INPUT.split(template)
    if len(parts) == 1 or len(template) > MOST_PATTERN:
        return template == text
    if not text.startswith(parts[0]) or not text.endswith(parts[-1]):
        return False
    at = len(parts[0])
    for part in parts[1:-1]:
        next_at = text.find(part, at)
        if next_at < 0 or "\n" in text[at:next_at]:
            return False
        at = next_at + len(part)
    rest = text[at : len(text) - len(parts[-1])] if parts[-1] else text[at:]
    return len(text) >= at + len(parts[-1]) and "\n" not in rest
