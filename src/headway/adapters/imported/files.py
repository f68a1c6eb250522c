"""Samples from a CSV or JSON file, for `headway metric import`. All of it or nothing.

CSV: the header `metric,at,value`, then columns that are labels; an empty cell is no label. JSON: a
list of objects `{"metric": …, "at": …, "value": …, "labels": {…}, "kind": "counter"}`, or one such
object a line. `at` is Unix seconds or ISO 8601 with a zone. A metric is a counter if its `kind`
says so or its name ends in `_total`, `_count` or `_bucket`.
"""

import csv
import io
import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from headway.model.errors import Invalid, Problem
from headway.model.series import Point, SeriesKind

MOST_BYTES = 256 << 20
MOST_PROBLEMS = 20
_FIRST = ["metric", "at", "value"]
_KEYS = {"metric", "at", "value", "labels", "kind"}
_COUNTERS = ("_total", "_count", "_bucket")


class _Wrong(Exception):
    """One row that cannot be read."""


def read(file: Path) -> list[Point]:
    """Every sample of the file. Raises Invalid (`import`) with each bad row's line."""
    text = _text(file)
    rows = _csv(text) if file.suffix.lower() == ".csv" else _json(text)
    points: list[Point] = []
    problems: list[Problem] = []
    try:
        for line, row in rows:
            try:
                points.append(_point(row))
            except _Wrong as wrong:
                problems.append(Problem(str(file), line, 1, str(wrong), "import"))
    except _Wrong as wrong:
        problems.insert(0, Problem(str(file), 1, 1, str(wrong), "import"))
    except (csv.Error, json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        problems.append(Problem(str(file), line, 1, f"cannot be read: {error}", "import"))
    if problems:
        raise Invalid("the file cannot be imported", problems=tuple(problems[:MOST_PROBLEMS]))
    return points


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise Invalid(f"{file} is larger than {MOST_BYTES >> 20} MiB", code="import")
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Invalid(f"{file} cannot be read", why=why or "", code="import") from error


def _csv(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    head = next(reader, [])
    if head[:3] != _FIRST or len(set(head)) != len(head) or not all(head):
        raise _Wrong("the header must be metric,at,value and then the names of labels")
    for cells in reader:
        if cells and len(cells) != len(head):
            yield reader.line_num, {"": f"{len(cells)} cells, the header has {len(head)}"}
        elif cells:
            labels = {k: v for k, v in zip(head[3:], cells[3:], strict=True) if v}
            yield reader.line_num, dict(zip(_FIRST, cells, strict=False)) | {"labels": labels}


def _json(text: str) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):
        for number, row in enumerate(json.loads(text), 1):
            yield number, row
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                yield number, {"": f"no JSON: {error.msg}"}


def _point(row: Any) -> Point:
    if not isinstance(row, dict):
        raise _Wrong("each sample is an object")
    if "" in row:
        raise _Wrong(str(row[""]))
    unknown = sorted(set(row) - _KEYS)
    if unknown:
        raise _Wrong(f"unknown key `{unknown[0]}`; known: {', '.join(sorted(_KEYS))}")
    metric, labels = row.get("metric"), row.get("labels", {})
    if not isinstance(metric, str) or not metric.strip():
        raise _Wrong("`metric` is missing")
    if not isinstance(labels, dict) or not all(
        isinstance(w, str) for pair in labels.items() for w in pair
    ):
        raise _Wrong("`labels` must be an object of texts")
    return Point(metric, labels, _kind(row, metric), _moment(row.get("at")), _value(row))


def _kind(row: dict[str, Any], metric: str) -> SeriesKind:
    kind = row.get("kind", "counter" if metric.endswith(_COUNTERS) else "gauge")
    if kind == "counter":
        return "counter"
    if kind != "gauge":
        raise _Wrong(f"`kind` is counter or gauge, not {kind!r}")
    return "gauge"


def _moment(at: Any) -> float:
    number = _number(at) if isinstance(at, str) else at
    if not isinstance(number, str):
        return _finite(number, "at")
    try:
        moment = datetime.fromisoformat(number)
    except ValueError as error:
        raise _Wrong(f"`at` is {number[:40]!r}: Unix seconds or 2026-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise _Wrong(f"`at` is {number[:40]!r}, without a zone")
    return moment.timestamp()


def _number(text: str) -> float | str:
    """The number that the text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text


def _value(row: dict[str, Any]) -> float:
    value = row.get("value")
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise _Wrong(f"`value` is {str(value)[:40]!r}, which is no number") from error
    return _finite(value, "value")


def _finite(number: Any, name: str) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _Wrong(f"`{name}` is missing or no number")
    if not math.isfinite(number):
        raise _Wrong(f"`{name}` is {number}, which is no measurement")
    return float(number)
