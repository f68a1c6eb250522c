"""Puts the report together at the end: from the log, from the users' counts, and from where things
lie. Called by `command`; the numbers are `report`'s.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headway.demo import expected, machine, report
from headway.demo.course import Course
from headway.demo.report import DeliveryReport
from headway.demo.show import Show
from headway.model.errors import HeadwayError


def document(
    show: Show, seconds: float, error: HeadwayError | None
) -> tuple[dict[str, Any], list[DeliveryReport]]:
    """What `--report` and `--json` give, and its deliveries for the table. `ok` decides the exit
    code, `problems` say why not; `error` is what ended the demo early.
    """
    asked, courses, users = show.asked, show.courses(), show.crowd.last
    reports = report.deliveries(courses, show.crowd.samples, users)
    told = report.Told(seconds, tuple(show.strikes))
    summary = report.summary(asked, told, reports, users)
    summary["detect_to_done"] = report.done_after_verdict(courses)
    problems = [f"the demo stopped: {error}"] if error else []
    problems += expected.problems(asked, reports, summary)
    whole = {
        "ok": not problems,
        "problems": problems,
        "deliveries": [asdict(one) for one in reports],
        "summary": summary,
        "evidence": _evidence(show, courses),
        "machine": machine.facts(),
    }
    return whole, reports


def program() -> str:
    """How this person can call Headway again."""
    found = shutil.which("headway")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "headway"
    beside = Path(sys.executable).with_name("headway")
    if not beside.exists():
        return f"{sys.executable} -m headway"
    inside = beside.is_relative_to(Path.cwd())
    return str(beside.relative_to(Path.cwd()) if inside else beside)


def _evidence(show: Show, courses: Mapping[str, Course]) -> dict[str, object]:
    home = show.stage.home
    headway = f"{program()} --home {home}"
    last = next((c for c in reversed(list(courses.values())) if c.rollout), None)
    commands = [f"{headway} rollout show {last.rollout}"] if last else []
    commands += [f"{headway} trace {c.commit[:12]}" for c in courses.values() if c is last]
    return {
        "home": str(home),
        "database": str(home / "headway.db"),
        "repository": str(show.stage.repository),
        "users": str(show.stage.users),
        "logs": [str(path) for path in show.stage.logs],
        "commands": commands,
        "server": show.server.address,
        "production": next((c.address for c in courses.values() if c.address), ""),
        "status": f"{headway} status",
        "stop": f"{program()} demo --stop --home {home}",
    }
