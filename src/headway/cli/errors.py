"""An error as text or JSON and as an exit code. Called by cli/main.py, once per command."""

from datetime import UTC, datetime
from pathlib import Path

from headway.cli.context import Context
from headway.cli.hints import homed
from headway.model.errors import HeadwayError, Invalid, Problem, Unreachable
from headway.wording.text import block, plain

MOST_PROBLEMS = 20
USAGE = 2
BUG = 70
INTERRUPTED = 130


def tell(context: Context, error: HeadwayError) -> int:
    """Show the error; gives the exit code."""
    if context.json:
        context.document({"error": _fields(error)})
        return error.exit_code
    for line in lines(error, context.home):
        context.complain(line)
    return error.exit_code


def _fields(error: HeadwayError) -> dict[str, object]:
    return {
        "code": error.code,
        "what": error.what,
        "why": error.why,
        "next": error.next,
        "problems": list(_problems(error)),
    }


def _problems(error: HeadwayError) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, Invalid) else ()


def lines(error: HeadwayError, home: str | None = None) -> list[str]:
    """What, why, next command; or one line for each problem of a file. `home`: as it was given."""
    problems = _problems(error)
    if problems:
        shown = [plain(p) for p in problems[:MOST_PROBLEMS]]
        told = [*shown, plain(error.what)]
    else:
        told = [f"error: {plain(error.what)}  [{plain(error.code)}]"]
        told += [f"  {line}" for line in block(error.why)]
    return told + ([f"  next: {homed(plain(error.next), home)}"] if error.next else [])


def usage(context: Context, message: str, command: str) -> int:
    """A command line that cannot be understood."""
    return tell(context, Invalid(message, next=f"{command} --help", code="usage"))


def interrupted(context: Context) -> int:
    """Ctrl-C where no delivery is followed."""
    context.complain("interrupted")
    return INTERRUPTED


def bug(context: Context, error: Exception) -> int:
    """Anything unforeseen: one line that names the log; the traceback goes there."""
    outage = _outage(error)
    if outage is not None:
        return tell(context, outage)
    import traceback  # noqa: PLC0415  only for a bug

    trace = "".join(traceback.format_exception(error))
    kept = _keep(context, trace)
    if context.verbose or not kept:
        for line in block(trace):
            context.complain(line)
    what = f"a bug in Headway: {type(error).__name__}: {plain(error, 200)}"
    where = f"the log is {kept}" if kept else "the log could not be written"
    fault = HeadwayError(what, why=where, next="please report it with this log", code="bug")
    if context.json:
        context.document({"error": _fields(fault)})
    else:
        context.complain(f"error: {what}; {where}")
    return BUG


def _outage(error: Exception) -> HeadwayError | None:
    """A database that does not answer is no bug."""
    if type(error).__name__ == "OperationalError":
        why = (str(getattr(error, "orig", error)).strip().splitlines() or [""])[0]
        hint = "headway doctor"
        return Unreachable("the database does not answer", why=why, next=hint, code="database")
    return None


def _keep(context: Context, trace: str) -> Path | None:
    """Write the traceback into the home's log folder; None if that is not possible either."""
    now = datetime.now(UTC)
    try:
        folder = context.home_folder / "log"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"cli-{now:%Y%m%dT%H%M%S%fZ}.log"
        file.write_text(trace)
    except (OSError, HeadwayError):
        return None
    return file
