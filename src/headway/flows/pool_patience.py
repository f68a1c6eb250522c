"""A database that does not answer is waited for; a job is not red because of it.

Called by flows/pool_* around every transaction, and by what runs of the server tell and ask.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

_LOG = logging.getLogger(__name__)
AGAIN_SECONDS = 0.5
# InternalError: the database ended a transaction in which this process was frozen
_GONE = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,
    sa.exc.TimeoutError,
)

T = TypeVar("T")


def if_it_answers(go: Callable[[], object]) -> None:
    """Do it once; nothing while there is no database: whoever calls this does it again later."""
    try:
        go()
    except _GONE as error:
        _LOG.warning("the database does not answer; it is told later: %s", error)


def patiently(go: Callable[[], T], ask: Callable[[], object] = lambda: None) -> T:
    """What `go` gives, tried again while there is no database. `ask` is called in between, often,
    and may raise to end that. Raises every other error at once.
    """
    complained = False
    while True:
        try:
            return go()
        except _GONE as error:
            if not complained:
                _LOG.warning("the database does not answer: %s", error)
            complained = True
        until = time.monotonic() + AGAIN_SECONDS
        while time.monotonic() < until:
            ask()
            time.sleep(AGAIN_SECONDS / 5)
