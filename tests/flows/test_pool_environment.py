"""A job takes a place of its environment's limit in a pool only if it deploys there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.contract.job_runs import Seen, order

from headway.flows.pool_away import Away, Far
from headway.flows.pool_files import Mark
from headway.store import database
from headway.store.pool_tables import jobs


@pytest.mark.parametrize(("more", "place"), [({}, "prod"), ({"deploys": False}, "")])
def test_which_environment_a_job_stands_for_in_its_pool(
    tmp_path: Path, more: dict[str, Any], place: str
) -> None:
    url = f"sqlite:///{tmp_path}/headway.db"
    database.prepare(url)
    engine = database.connect(url)
    given: dict[str, Any] = dict.fromkeys(("relay", "sources", "parse", "clock"))
    given["carry"] = SimpleNamespace(there=lambda run: None)
    far = Far(engine, tmp_path, "home", **given)
    away = Away(far, order("j", environment="prod", **more), Mark(1, "p"), Seen())
    away._secrets = {}
    away._put()
    with engine.connect() as connection:
        (found,) = connection.execute(sa.select(jobs.c.environment)).scalars()
    engine.dispose()
    assert found == place
