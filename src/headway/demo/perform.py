"""Plays the show, clears up whatever happened, and tells what came of it. Called by `command`."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from headway.cli.context import Context
from headway.cli.errors import INTERRUPTED
from headway.cli.follow import Detached
from headway.demo import chronicle, machine, stage, words
from headway.demo.report import Asked, DeliveryReport
from headway.demo.show import Show
from headway.model.errors import HeadwayError

if TYPE_CHECKING:
    from rich.console import Console

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def announce(context: Context, asked: Asked) -> None:
    """What will be seen."""
    for line in words.opening(_page(context.err), asked):
        context.note(line)


def _page(console: "Console") -> words.Page:
    return words.Page(min(console.width, 100) if console.is_terminal else None)


def perform(context: Context, show: Show, file: Path | None, *, keep: bool) -> int:
    """The whole demo; gives the exit code. `file` gets the report, `keep` leaves all but the users
    running if all is as it should be.
    """
    began, error = time.monotonic(), None
    try:
        with _signals(_interrupt):
            error = _play(show)
    except (KeyboardInterrupt, Detached):
        _leave(show, keep=False)
        return _interrupted(context, show)
    except BaseException:
        _leave(show, keep=False)
        raise
    left = _leave(show, keep=keep and error is None)
    took = time.monotonic() - began
    whole, reports = chronicle.document(show, took, error or left)
    failed = keep and not whole["ok"]
    if failed and error is None and (left := _leave(show, keep=False)):
        whole, reports = chronicle.document(show, took, left)
    if file is not None:
        stage.write_json(file, whole)
    _tell(context, whole, reports)
    if failed:
        now = "something of it may still run" if left else "nothing of the demo runs any more"
        context.complain(f"not kept, because it failed: {now}")
        context.complain(f"  what it wrote is in {show.stage.home}")
    elif keep and not context.json:
        context.lines(words.kept(_page(context.out), whole["evidence"], show.link()))
    return 0 if whole["ok"] else 1


def _play(show: Show) -> HeadwayError | None:
    """What ended it early, if anything did."""
    try:
        show.play()
    except HeadwayError as error:
        return error
    return None


def _leave(show: Show, *, keep: bool) -> HeadwayError | None:
    """Nothing disturbs the clearing up; gives what could not be cleared."""
    with _signals(signal.SIG_IGN):
        try:
            show.leave(running=keep)
        except HeadwayError as error:
            return error
    return None


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _signals(handler: Any) -> Iterator[None]:
    """Every polite end of this process, handled like this in the block."""
    before = {number: signal.signal(number, handler) for number in ENDS}
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def _interrupted(context: Context, show: Show) -> int:
    context.complain("interrupted; nothing of the demo runs any more")
    context.complain(f"  what it wrote is in {show.stage.home}")
    return INTERRUPTED


def _tell(context: Context, whole: dict[str, Any], reports: list[DeliveryReport]) -> None:
    if context.json:
        context.document(whole)
    else:
        told = words.table(reports) if reports else []
        context.lines(["", *told, "", *words.closing(_page(context.out), whole, reports)])
    for problem in whole["problems"]:
        context.complain(f"✗ {problem}")
    if whole["problems"]:
        if cause := machine.busy(os.getloadavg()[0], len(os.sched_getaffinity(0))):
            context.complain(f"  {cause}")
        for log in whole["evidence"]["logs"]:
            context.complain(f"  log  {log}")
