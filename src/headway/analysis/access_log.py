"""Access logs as traffic to split: the common and the combined format, with a latency if told.

Format: httpd.apache.org/docs/2.4/logs.html; nginx writes the same, and `$request_time` (seconds
with a point) at the end where it is told to. Called by `headway judge selftest --log`.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

import numpy as np

from headway.analysis.selftest import Cells
from headway.histogram.rebin import BOUNDS_MS
from headway.model.errors import Invalid

Latency = Literal["auto", "s", "ms", "us", "none"]
MOST_LINES = 1_000_000
LONGEST = 16_384
_LINE = re.compile(
    r"(\S+) \S+ [^\[]{1,200}\[([^\]]{10,40})\] "  # who, when
    r'"(?:[^"\\]|\\.)*" (\d{3}) (?:\d+|-)(.*)'  # what, status, bytes, the rest
)
_NUMBER = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*\Z")
_MILLISECONDS = {"auto": 1000.0, "s": 1000.0, "ms": 1.0, "us": 0.001}


@dataclass(frozen=True, slots=True)
class Request:
    """One line. `at`: Unix seconds; `milliseconds` None: not logged."""

    at: float
    client: str
    error: bool
    milliseconds: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a log. `errors_from`: the lowest status that is an error."""

    errors_from: int = 500
    latency: Latency = "auto"


def parse(lines: Iterable[str], reading: Reading) -> tuple[list[Request], int]:
    """The requests in order of time, and how many lines were not understood. At most MOST_LINES
    are read.

    Raises Invalid (`access-log`): nothing to be understood, or most lines not.
    """
    found, strange = [], 0
    for line in islice(lines, MOST_LINES):
        request = _request(line, reading)
        if request is not None:
            found.append(request)
        elif line.strip():
            strange += 1
    if not found or strange > len(found):
        raise Invalid(
            "this is not an access log that Headway reads",
            why=f"{strange} of {strange + len(found)} lines are not in the common or combined form",
            next="headway judge selftest --help",
            code="access-log",
        )
    return sorted(found, key=lambda r: r.at), strange


def _request(line: str, reading: Reading) -> Request | None:
    match = _LINE.match(line) if len(line) <= LONGEST else None
    if match is None:
        return None
    client, when, status, rest = match.groups()
    try:
        at = datetime.strptime(when, "%d/%b/%Y:%H:%M:%S %z").timestamp()
    except (ValueError, OverflowError):
        return None
    return Request(at, client, int(status) >= reading.errors_from, _latency(rest, reading.latency))


def _latency(rest: str, unit: Latency) -> float | None:
    """The number at the end of the line; if nobody says its unit, only one with a point counts."""
    match = None if unit == "none" else _NUMBER.search(rest)
    if match is None or (unit == "auto" and "." not in match[1]):
        return None
    return float(match[1]) * _MILLISECONDS[unit]


def cells(requests: list[Request], seconds: float, instances: int, windows: int = 0) -> Cells:
    """The requests by window, client and instance. Instances are dealt in turn, as a proxy does,
    whoever asks. `windows`: spread the log evenly over so many, as if it were that much denser;
    0: as it happened, in windows of `seconds`.
    """
    first, last = requests[0].at, requests[-1].at
    width = (last - first) / windows * (1 + 1e-9) if windows and last > first else seconds
    clients: dict[str, int] = {}
    counted: dict[tuple[int, int, int], list[int]] = {}
    blank = [0] * (2 + len(BOUNDS_MS) + 1)
    for number, request in enumerate(requests):
        client = clients.setdefault(request.client, len(clients))
        key = (int((request.at - first) / width), client, number % instances)
        row = counted.setdefault(key, blank.copy())
        row[0] += 1
        row[1] += request.error
        if request.milliseconds is not None:
            row[2 + bisect_right(BOUNDS_MS, request.milliseconds)] += 1
    keys, rows = np.array(list(counted), np.int64), np.array(list(counted.values()), np.int64)
    known = rows[:, 2:] if rows[:, 2:].any() else rows[:, :0]
    window, unit, instance = keys.T
    return Cells(window, unit, instance, rows[:, 0], rows[:, 1], known, BOUNDS_MS)
