"""One home with a story for every test of the pages, served in this process."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from tests.support.api import Api, api
from tests.support.stage import Stage
from tests.support.story import story


@dataclass
class Told:
    """The stage after its story, and its pages, asked by somebody of each role."""

    stage: Stage
    api: Api
    kept: dict[str, httpx.Response] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.api.house.address

    def first(self, path: str) -> httpx.Response:
        """What was answered when it was first asked for."""
        if path not in self.kept:
            self.kept[path] = self.get(path)
        return self.kept[path]

    def get(self, path: str, who: str = "admin", **headers: str) -> httpx.Response:
        asked = self.api.bearer(who) | headers
        return httpx.get(self.address + path, headers=asked, trust_env=False, timeout=60)

    def post(self, path: str, who: str = "admin", **fields: str) -> httpx.Response:
        address = self.address + path
        return httpx.post(
            address, data=fields, headers=self.api.bearer(who), trust_env=False, timeout=60
        )

    def paths(self) -> list[str]:
        """Every page of deliveries, rollouts, releases and artifacts that the story has."""
        names = [f"shop-{n}" for n in range(1, 5)]
        digests = [self.stage.release(n).digest for n in names]
        return [
            "/",
            "/services/shop",
            "/services/shop/production/rollback",
            "/line",
            "/line/stop",
            *(f"/{noun}" for noun in ("deliveries", "rollouts", "releases")),
            "/deliveries?service=shop&state=rolled_back",
            "/rollouts?state=running&environment=production",
            *(f"/deliveries/{n}" for n in names),
            *(f"/rollouts/{n}" for n in names[:3]),
            *(f"/releases/{n}" for n in names),
            *(f"/artifacts/{d}" for d in digests),
            f"/artifacts/{digests[1]}/clear/production",
            "/deliveries/shop-3/cancel",
            *(f"/rollouts/shop-3/{v}" for v in ("pause", "resume", "approve", "promote", "abort")),
        ]


@pytest.fixture(scope="session")
def told() -> Iterator[Told]:
    """v1 released, v2 rolled back, v3 paused in its canary, v4 waiting for an approval."""
    with story() as stage, api(stage.home) as asked:
        yield Told(stage, asked)
