"""The readings of own signals at which a rollout's running window began. Called by flows/decide."""

import sqlalchemy as sa

from headway.metrics.window import Reading
from headway.store import by_key
from headway.store.database import Tx
from headway.store.records import dumps, loads
from headway.store.tables import readings

_READINGS = sa.select(readings.c.readings).where(readings.c.rollout == sa.bindparam("of"))
_UNHEARD = sa.select(readings.c.unheard).where(readings.c.rollout == sa.bindparam("of"))


def load(connection: sa.Connection, rollout: str) -> dict[str, Reading]:
    """By the name of the signal; empty before the first window."""
    text = connection.execute(_READINGS, {"of": rollout}).scalar()
    return loads(text, dict[str, Reading]) if text else {}


def save(tx: Tx, rollout: str, new: dict[str, Reading]) -> None:
    """Replace them."""
    _put(tx, rollout, readings=dumps(new))


def unheard(connection: sa.Connection, rollout: str) -> dict[str, str]:
    """The declared signals of which there was no data lately, and why, without numbers."""
    text = connection.execute(_UNHEARD, {"of": rollout}).scalar()
    return loads(text, dict[str, str]) if text else {}


def save_unheard(tx: Tx, rollout: str, silent: dict[str, str]) -> None:
    """Remember which are told of."""
    _put(tx, rollout, unheard=dumps(silent))


def _put(tx: Tx, rollout: str, **changed: str) -> None:
    if by_key.update(tx.connection, readings, {"rollout": rollout}, changed) == 0:
        row = {"rollout": rollout, "readings": "", "unheard": "", **changed}
        by_key.insert(tx.connection, readings, row)
