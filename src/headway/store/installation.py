"""What is true of the whole installation, beside its deliveries: whether it may act on the world.

`held`: restored from a backup, and nobody has said yet that the old one is gone. `moving`: the
database is half copied from another. Asked by wiring before flows run; written by backup/,
flows/adopt.py and store/moving.py.
"""

import json
from typing import Any, Literal

import sqlalchemy as sa

from headway.model.errors import Refused
from headway.store.database import Tx
from headway.store.tables import installation as table

Name = Literal["held", "moving"]
CARRIED: tuple[Name, ...] = ("held",)
"""What goes along when the database is moved."""


def get(connection: sa.Connection, name: Name) -> dict[str, Any] | None:
    """What was noted under the name; None: nothing."""
    text = connection.execute(sa.select(table.c.value).where(table.c.name == name)).scalar()
    return json.loads(text) if text else None


def put(connection: sa.Connection, name: Name, value: dict[str, Any]) -> None:
    """Note it, in place of what was noted."""
    forget(connection, name)
    connection.execute(table.insert().values(name=name, value=json.dumps(value)))


def forget(connection: sa.Connection, name: Name) -> None:
    """Nothing is noted under the name any longer."""
    connection.execute(table.delete().where(table.c.name == name))


def may_act(connection: sa.Connection) -> None:
    """Raises Refused (`held`, `half-moved`) if this installation must leave the world alone."""
    if get(connection, "moving") is not None:
        raise Refused(
            "this database is half moved",
            why="a move into it was cut short; the database it comes from is untouched",
            next="headway db move --to URL again, from the old database",
            code="half-moved",
        )
    held = get(connection, "held")
    if held is not None:
        raise Refused(
            "this home was restored from a backup and is held",
            why="the installation that the backup was made of may still run; two would undo each "
            "other's work",
            next="end the old one for good, then: headway restore --adopt",
            code="held",
        )


def hold(tx: Tx, backup: dict[str, Any]) -> None:
    """From now on it leaves the world alone."""
    put(tx.connection, "held", backup | {"restored_at": tx.now})
