"""`headway workflow`: workflow files and the language in them, without running anything."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from headway.cli import workflow_check
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.expression import json_text, reference
from headway.model.errors import Invalid


@click.group(
    cls=Noun,
    examples=(
        "headway workflow check .github/workflows",
        "headway workflow eval --jsonl < expressions.jsonl",
    ),
)
def workflow() -> None:
    """Workflow files and the language in them."""


@workflow.verb(
    "headway workflow check .github/workflows/ci.yml", "headway workflow check ci.yml --json"
)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@pass_context
def check(context: Context, files: tuple[Path, ...]) -> int:
    """Check workflow files and action.yml: errors and warnings, each at its line.

    A folder stands for the files in it. Ends with 2 if there are errors, with 0 if only warnings.
    """
    return workflow_check.check(context, files)


@workflow.verb("headway workflow lock", "headway workflow lock --update")
@click.argument("path", default=".", type=click.Path())
@click.option("--update", is_flag=True, help="Take what every ref means now, locked or not.")
@pass_context
def lock(context: Context, path: str, *, update: bool) -> None:
    """Pin the actions that workflows use in headway.lock.

    Commits that are locked already stay, unless --update; what is no longer used goes.
    """
    from headway.cli import workflow_lock  # noqa: PLC0415  the other verbs need no adapters

    workflow_lock.write(context, path, update=update)


@workflow.verb('echo \'{"expr": "1 == true"}\' | headway workflow eval --jsonl', name="eval")
@click.option(
    "--jsonl",
    is_flag=True,
    required=True,
    expose_value=False,
    help="JSON lines in, JSON lines out: the only form.",
)
def evaluate() -> None:
    """Evaluate expressions read as JSON lines; one JSON answer for each line.

    \b
    {"expr": "github.ref", "contexts": {"github": {"ref": "main"}}, "status": "success"}
    {"result": {"kind": "String", "value": "main"}}

    A fault is {"err": {"kind", "value"}}, its kind lexing, parsing or evaluation. Answers are those
    of the reference implementation, its slips included (docs/reference/expressions.md).
    """
    for answer in answers(sys.stdin.buffer):
        click.echo(answer)


def answers(lines: Iterable[bytes]) -> Iterator[str]:
    """One JSON line for each line. Raises Invalid (`protocol`) with the number of a bad line."""
    for number, line in enumerate(lines, 1):
        asked = _asked(line, number)
        found = reference.answer(
            asked["expr"], asked.get("contexts") or {}, asked.get("status") or "success"
        )
        yield json.dumps(found, separators=(",", ":"))


def _asked(line: bytes, number: int) -> Mapping[str, Any]:
    try:
        asked = json_text.decode(line.decode())
    except ValueError as error:
        raise _unreadable(number, str(error)) from error
    if not isinstance(asked, dict) or not isinstance(asked.get("expr"), str):
        raise _unreadable(number, "`expr` must be a text")
    if not isinstance(asked.get("contexts") or {}, dict):
        raise _unreadable(number, "`contexts` must be an object")
    if not isinstance(asked.get("status") or "", str):
        raise _unreadable(number, "`status` must be a text")
    return asked


def _unreadable(number: int, why: str) -> Invalid:
    return Invalid(
        f"line {number} is not what `headway workflow eval` reads",
        why=why,
        next="headway workflow eval --help",
        code="protocol",
    )
