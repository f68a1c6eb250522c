"""`headway test import`: reports into Headway's records, and, if asked, the verdict over them."""

import hashlib
import os
from pathlib import Path
from typing import Literal

import click

from headway.cli import test_verdict as told
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.verdict import Outcome
from headway.settings import load
from headway.settings.reading import NAME
from headway.store import tests_files
from headway.store.tests import Origin
from headway.store.tests_files import File
from headway.testing.coverage import CoverageGate, Least
from headway.testing.findings import FindingsGate
from headway.testing.judge import Gates
from headway.testing.result import Report

EXITS = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.WAIT: 5}
Level = Literal["error", "warning", "note"]


class Share(click.ParamType[float]):
    """`80%` or `0.8`, from 0 to 100 %."""

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share as a fraction of 1."""
        words = str(value).strip()
        try:
            parts = float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
        except ValueError:
            parts = -1.0
        if not 0 <= parts <= 1:
            self.fail(f"{words} is not a share from 0% to 100%; write 80%", param, ctx)
        return round(parts, 6)


class Critical(click.ParamType[Least]):
    """`src/pay/**=95%`: a path and the share of its lines."""

    name = "critical"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Least:
        """The goal of a critical path."""
        if isinstance(value, Least):
            return value
        glob, equals, least = str(value).rpartition("=")
        if not equals or not glob:
            self.fail(f"{value} is not GLOB=SHARE; write 'src/pay/**=95%'", param, ctx)
        return Least(glob, lines=Share().convert(least, param, ctx))


@verb(
    "headway test import junit.xml",
    "headway test import junit.xml coverage.xml --judge --lines 80% --critical 'src/pay/**=95%'",
    "headway test import target/surefire-reports/*.xml scan.sarif --block error",
    name="import",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--run", default="", metavar="ID", help="The run; else GITHUB_RUN_ID.")
@click.option("--commit", default="", envvar="GITHUB_SHA", metavar="SHA", help="What was tested.")
@click.option("--job", default="", envvar="GITHUB_JOB", metavar="JOB", help="The job that ran it.")
@click.option("--service", default=None, metavar="NAME", help="Else that of headway.yaml here.")
@click.option("--judge", "asked", is_flag=True, help="Say whether they may pass; exit 1 if not.")
@click.option("--more", is_flag=True, help="More will come: what is missing waits, exit 5.")
@click.option("--lines", type=Share(), metavar="SHARE", help="Least share of lines; judges.")
@click.option("--branches", type=Share(), metavar="SHARE", help="Least share of branches; judges.")
@click.option(
    "--critical", type=Critical(), multiple=True, metavar="GLOB=SHARE", help="Of a path; judges."
)
@click.option(
    "--block",
    type=click.Choice(["error", "warning", "note"]),
    default=None,
    help="Findings of this level and above block; judges.",
)
@pass_context
def importing(  # noqa: PLR0913  one option each
    context: Context,
    files: tuple[str, ...],
    run: str,
    commit: str,
    job: str,
    service: str | None,
    *,
    asked: bool,
    more: bool,
    lines: float | None,
    branches: float | None,
    critical: tuple[Least, ...],
    block: Level | None,
) -> int:
    """Keep reports of tests; judge them together with coverage and findings.

    JUnit XML (pytest, Maven, Go, Jest, Playwright), coverage (Cobertura, lcov) and SARIF are known
    by their content. The same file again changes nothing. With a commit, a test that failed and
    passed on it is known as flaky.
    """
    found = [tests_files.read(path) for path in files]
    service_name = _service() if service is None else service
    origin = Origin(service_name, run or _run(found), job, commit)
    covered = CoverageGate(Least(lines=lines, branches=branches), critical)
    wanted = lines is not None or branches is not None or critical
    gates = Gates(
        least_tests=1 if asked or _any_tests(found) else 0,
        coverage=covered if wanted else None,
        findings=FindingsGate(block) if block else None,
    )
    judged = asked or bool(wanted) or block is not None
    return _kept(context, origin, found, gates if judged else None, more=more)


def _any_tests(found: list[File]) -> bool:
    return any(isinstance(f.read, Report) for f in found)


def _kept(
    context: Context, origin: Origin, found: list[File], gates: Gates | None, *, more: bool
) -> int:
    """Write, judge, tell. Gives the exit code."""
    with context.headway.tx() as tx:
        made = tests_files.keep(tx, origin, found, gates, more=more)
    shown = told.Shown(origin, found, made)
    if context.json:
        context.document(told.document(shown, gates))
    else:
        context.lines(told.lines(shown, gates))
    return EXITS[made.verdict.outcome] if made.verdict else 0


def _run(found: list[File]) -> str:
    """The run that CI names, else one that is the same for the same files."""
    named = os.environ.get("GITHUB_RUN_ID", "")
    if named:
        attempt = os.environ.get("GITHUB_RUN_ATTEMPT", "")
        return f"{named}/{attempt}" if attempt else named
    together = hashlib.sha256("".join(f.digest for f in found).encode())
    return f"import-{together.hexdigest()[:12]}"


def _service() -> str:
    """The name in the headway.yaml of this folder; empty if there is none."""
    here = Path.cwd()
    return load(here).name if (here / NAME).is_file() else ""
