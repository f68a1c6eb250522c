"""Fixtures for every test."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres server, one for the whole run."""
    with postgres() as url:
        yield url
