"""How a run is followed while this process runs it: live tree, plain lines or nothing; and Ctrl-C.

The first Ctrl-C (or TERM) asks the run to stop in order: cleanup steps run, logs are sealed. The
second kills: everything that the jobs started dies with this process.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headway.cli.context import Context
from headway.cli.errors import INTERRUPTED
from headway.cli.running import Begun, Picture, Stop, Teller
from headway.ports.run_watch import RunWatch

FRAMES_PER_SECOND = 8


@contextmanager
def screen(context: Context, begun: Begun, stop: Stop) -> Iterator[RunWatch]:
    """Who is told of the run until the block ends."""
    if context.quiet or context.json:
        yield Teller(lambda _line: None, stop)
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _live(context, Picture(begun, stop)) as picture:
            yield picture
    else:
        yield Teller(context.note, stop)


@contextmanager
def _live(context: Context, picture: Picture) -> Iterator[Picture]:
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from headway.cli.running_tree import Frame, draw  # noqa: PLC0415

    def frame() -> Frame:
        size = context.err.size
        return Frame(size.width, size.height - 1, time.monotonic())

    over = threading.Event()

    def now() -> Text:
        return draw(picture, frame(), over=over.is_set())

    with Live(
        console=context.err,
        get_renderable=now,
        refresh_per_second=FRAMES_PER_SECOND,
        vertical_overflow="visible",
        redirect_stdout=False,
    ):
        yield picture
        over.set()


@contextmanager
def interruptible(
    stop: Stop, cancel: Callable[[], None], say: Callable[[str], None], last: str
) -> Iterator[None]:
    """Hear INT and TERM until the block ends. `cancel` writes down that the run shall stop; it is
    called from a thread of its own, because a signal may come at any point of this one. `last`:
    what is said before this process is gone at once.
    """

    def heard(_number: int, _frame: object) -> None:
        if stop.wanted:
            _kill(last)
        stop.wanted = True
        threading.Thread(target=_ask, args=(cancel, say), daemon=True).start()

    before = {s: signal.signal(s, heard) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ask(cancel: Callable[[], None], say: Callable[[str], None]) -> None:
    say("cancelling: cleanup steps still run; Ctrl-C again kills")
    cancel()


def _kill(last: str) -> None:
    """Leave at once. The terminal gets its cursor back; the run's log tells the rest later. Written
    without buffers: the signal may have come while they were in use.
    """
    front = "\x1b[?25h\n" if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):
        os.write(2, f"{front}{last}\n".encode())
    os._exit(INTERRUPTED)
