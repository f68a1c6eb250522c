"""What a workflow of the corpus must do, as the comments at its head say.

# Any words: what it is about.
# = run: success                     the whole run: success, failure, cancelled, refused
# = job JOB: success, failure        outcomes of its instances, in any order
# = step JOB.ID: failure > success   outcome, and conclusion if it differs
# = fact JOB: TEXT                   a line `fact TEXT` that the job prints; all of them are named
# = needs: podman redis-server      programs without which it is not tried
# = with: event=… jobs=… job=… input.K=V var.K=V secret.K=V payload={…}
# ! …                                as `=`, where another tool does otherwise: ` -- why`
# ~ …                                as `=`, where another tool does so or otherwise: ` -- why`
"""

import json
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Facts = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Seen:
    """What a run did: outcomes of instances by job, of steps by `JOB.ID`, printed facts."""

    run: str
    jobs: dict[str, Counter[str]] = field(default_factory=dict)
    steps: dict[str, Counter[str]] = field(default_factory=dict)
    facts: Facts = field(default_factory=Counter)


@dataclass
class Expected:
    """The same, and how to start it. `alone`: what another tool does not do, with the reason;
    `sometimes`: what it does by chance."""

    file: Path
    run: str = "success"
    jobs: dict[str, Counter[str]] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Counter)
    start: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    alone: dict[tuple[str, ...], str] = field(default_factory=dict)
    sometimes: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.file.stem


def read(file: Path) -> Expected:
    found = Expected(file)
    for line in file.read_text().splitlines():
        if line.startswith(("# = ", "# ! ", "# ~ ")):
            _take(found, line)
    return found


def _take(found: Expected, line: str) -> None:
    text, _, why = line[4:].partition(" -- ")
    key, _, value = text.partition(": ")
    kind, _, name = key.partition(" ")
    about: tuple[str, ...] = (kind, name)
    if kind == "run":
        found.run = value
    elif kind == "job":
        found.jobs[name] = Counter(value.split(", "))
    elif kind == "step":
        found.steps[name] = value if " > " in value else f"{value} > {value}"
    elif kind == "fact":
        found.facts[name, value.rstrip()] += 1
        about = (kind, name, value.rstrip())
    elif kind == "needs":
        found.needs = tuple(value.split())
    elif kind == "with":
        found.start = dict(_pairs(value))
    else:
        raise ValueError(f"{found.file}: {line}")
    if not line.startswith("# = "):
        assert why, f"{found.file}: a difference needs its reason"
        (found.alone if line.startswith("# ! ") else found.sometimes)[about] = why


def _pairs(text: str) -> list[tuple[str, Any]]:
    if text.startswith("payload="):
        return [("payload", json.loads(text.removeprefix("payload=")))]
    return [(w.partition("=")[0], w.partition("=")[2]) for w in shlex.split(text)]


def given(start: dict[str, Any], kind: str) -> dict[str, str]:
    """`input.K=V` as {K: V}."""
    return {k.partition(".")[2]: v for k, v in start.items() if k.startswith(f"{kind}.")}
