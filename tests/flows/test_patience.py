"""What waits for a database that is away, what goes on without it, what is no reason to wait."""

from collections.abc import Callable

import psycopg
import pytest
import sqlalchemy as sa

from headway.flows.journal import MOST_PAUSE_SECONDS, TRIES, persist
from headway.flows.pool_patience import if_it_answers
from headway.model.errors import Unreachable

AWAY = sa.exc.OperationalError("s", {}, psycopg.OperationalError("connection failed: refused"))
WRONG = sa.exc.ProgrammingError("s", {}, psycopg.errors.UndefinedTable("no such table"))


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [times]

    def go() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "done"

    return go


def test_an_act_waits_for_the_homes_database_however_long_it_is_away() -> None:
    slept: list[float] = []
    assert persist(failing(50, AWAY), slept.append) == "done"
    assert len(slept) == 50
    assert slept[0] < slept[1]
    assert max(slept) == MOST_PAUSE_SECONDS


def test_an_act_waits_for_everything_else_only_so_often() -> None:
    slept: list[float] = []
    with pytest.raises(Unreachable):
        persist(failing(TRIES, Unreachable("gone")), slept.append)
    assert len(slept) == TRIES - 1
    assert persist(failing(TRIES - 1, Unreachable("gone")), slept.append) == "done"


def test_an_error_that_stays_is_raised_at_once() -> None:
    with pytest.raises(sa.exc.ProgrammingError):
        persist(failing(1, WRONG), lambda _seconds: pytest.fail("waited"))
    with pytest.raises(sa.exc.ProgrammingError):
        if_it_answers(failing(1, WRONG))


def test_what_can_be_told_later_is_not_waited_with() -> None:
    asked = failing(1, AWAY)
    if_it_answers(asked)
    assert asked() == "done"
