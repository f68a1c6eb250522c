"""`headway workflow check`: every problem of workflow files and action.yml, as a compiler tells it.

Added to the noun by cli/workflow.py. Reads files, changes nothing. Workflows that a job calls by
`./…` are read too, so that inputs, secrets and permissions are compared.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

from headway.cli.context import Context
from headway.document import Mark, decode, quoted
from headway.model.errors import Invalid, Problem
from headway.pipeline.syntax import calls
from headway.pipeline.syntax.action import read_action
from headway.pipeline.syntax.check import action_warnings, deprecations, warnings
from headway.pipeline.syntax.ir import Action, Step, Workflow
from headway.pipeline.syntax.reader import read

ERRORS = 2
_ACTIONS = ("action.yml", "action.yaml")
_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Checked:
    """One file: its text (for the lines that are shown) and what was found."""

    file: str
    text: str
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def check(context: Context, paths: tuple[Path, ...]) -> int:
    """Check the files and tell it. Gives the exit code. Raises Invalid (`missing-file`)."""
    found = [check_file(path) for path in _files(paths)]
    if context.json:
        context.document([_fields(one) for one in found])
    else:
        for one in found:
            context.lines(list(_told(one)))
        context.line(_sum(found))
    return ERRORS if any(one.errors for one in found) else 0


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.suffix in (".yml", ".yaml"))
        else:
            yield path


def check_file(path: Path) -> Checked:
    """What is wrong with one file. Raises Invalid (`missing-file`) if it cannot be opened."""
    try:
        data = path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise Invalid(f"{path} cannot be read", why=why, code="missing-file") from error
    text = data.decode("utf-8", "replace")
    try:
        decode(data, str(path))
        if path.name in _ACTIONS:
            action = read_action(text, str(path))
            found = action_warnings(action, text)
            old = deprecations(action.file, action.steps, _actions(action.steps, path))
            return Checked(str(path), text, (), _sorted((*found, *old)))
        workflow = read(text, str(path))
    except Invalid as error:
        return Checked(str(path), text, tuple(sorted(error.problems, key=_place)))
    errors = tuple(p for p in _calls(workflow, path) if p.file == str(path))
    steps = tuple(step for job in workflow.jobs for step in job.steps)
    old = deprecations(workflow.file, steps, _actions(steps, path))
    found = _sorted((*warnings(workflow, text), *old))
    return Checked(str(path), text, (*_zones(workflow), *errors), found)


def _sorted(found: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return tuple(sorted(found, key=lambda p: (*_place(p), p.code)))


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def _zones(workflow: Workflow) -> Iterator[Problem]:
    """Time zones that this machine does not know."""
    schedule = workflow.trigger("schedule")
    for _, zone in schedule.crons if schedule else ():
        if zone and schedule and zone not in available_timezones():
            sentence = f"there is no time zone {quoted(zone)}. Write a name as `Europe/Berlin`"
            yield _problem(workflow.file, schedule.at, sentence, "time-zone")


def _actions(steps: tuple[Step, ...], path: Path) -> dict[str, Action]:
    """The local actions that the steps use, by what `uses` says. One that cannot be read is told
    where its own file is checked; it may also come with a checkout.
    """
    found: dict[str, Action] = {}
    for uses in {step.uses.text for step in steps if step.uses}:
        for name in _ACTIONS if uses.startswith("./") else ():
            file = _root(path) / uses / name
            with suppress(OSError, UnicodeDecodeError, Invalid):
                found[uses] = read_action(file.read_text("utf-8"), str(file))
    return found


def _calls(workflow: Workflow, path: Path) -> Iterator[Problem]:
    """The calls of local workflows, as deep as they go."""
    root = _root(path)
    called: dict[str, Workflow] = {}
    waiting = [workflow]
    while waiting:
        caller = waiting.pop()
        for job in caller.jobs:
            if job.uses is None or not job.uses.text.startswith("./") or job.uses.text in called:
                continue
            try:
                target = root / job.uses.text
                called[job.uses.text] = read(target.read_text("utf-8"), str(target))
                waiting.append(called[job.uses.text])
            except (OSError, UnicodeDecodeError):
                sentence = f"there is no readable file {quoted(job.uses.text)}"
                yield _problem(caller.file, job.uses.at, sentence, "uses")
            except Invalid as error:
                sentence = f"the called workflow is wrong: {error.problems[0]}"
                yield _problem(caller.file, job.uses.at, sentence, "uses")
    yield from calls.check(workflow, called)


def _root(path: Path) -> Path:
    """The repository's folder: above `.github/workflows`, else the one with `.git`, else here."""
    folder = path.resolve().parent
    if folder.name == "workflows" and folder.parent.name.startswith("."):
        return folder.parent.parent
    return next((up for up in (folder, *folder.parents) if (up / ".git").exists()), folder)


def _problem(file: str, at: Mark, sentence: str, code: str) -> Problem:
    return Problem(file, at.line, at.column, sentence, code)


def _fields(one: Checked) -> dict[str, object]:
    kinds = (("error", one.errors), ("warning", one.warnings))
    diagnostics = [
        {
            "severity": kind,
            "line": p.line,
            "column": p.column,
            "message": f"{p.sentence} [{p.code}]",
        }
        for kind, problems in kinds
        for p in problems
    ]
    return {"file": one.file, "diagnostics": diagnostics}


def _told(one: Checked) -> Iterator[str]:
    lines = one.text.splitlines()
    for kind, problems in (("error", one.errors), ("warning", one.warnings)):
        for problem in problems:
            where = f"{one.file}:{problem.line}:{problem.column}"
            yield f"{where}: {kind}: {problem.sentence}  [{problem.code}]"
            if 0 < problem.line <= len(lines):
                yield from _pointed(lines[problem.line - 1], problem)


def _pointed(line: str, problem: Problem) -> Iterator[str]:
    """The line, and a caret below the place; a long line is cut around it."""
    start = max(0, problem.column - _SHOWN // 2) if problem.column > _SHOWN else 0
    lead = f"{problem.line:>5} | "
    shown = line[start : start + _SHOWN]
    yield lead + "".join(c if c.isprintable() else " " for c in shown)
    yield " " * (len(lead) - 2) + "| " + " " * (problem.column - 1 - start) + "^"


def _sum(found: list[Checked]) -> str:
    errors, warned = sum(len(f.errors) for f in found), sum(len(f.warnings) for f in found)
    files = "1 file" if len(found) == 1 else f"{len(found)} files"
    if not errors and not warned:
        return f"{files}: right"
    return f"{files}: {_many(errors, 'error')}, {_many(warned, 'warning')}"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")
