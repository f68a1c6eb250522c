"""Three edges where a staging that was green says nothing of production: it differs there, the way
back does not take hold, the metrics are late. Synthetic journeys and reading back stand guard.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.e2e.test_shadow import JOURNEY, Nothing
from tests.support.stage import APP, CANARY, HURRY, Stage, config, eventually

from headway.adapters.envoy.router import EnvoyRouter
from headway.model.routing import Routed, Routing

TESTS = "tests: [{http: /health}, {journey: tests/basket.py}]"


def shop(version: str, *, needs_till: bool = False, breaks_after: float = 1e9) -> dict[str, str]:
    """An application whose basket has a price, unless it cannot; every status is 200."""
    code = APP.format(constants=(version, 0.0, 0.0, True, 0, False))
    till = "open" if needs_till else ""
    code = code.replace("asked =", f"BORN, TILL = time.monotonic(), {till!r}\nasked =")
    code = code.replace('status = "200 OK"\n', 'status, body = "200 OK", b\'{"price": 7}\'\n')
    broken = "TILL and os.environ.get('TILL') != TILL or time.monotonic() - BORN > "
    code = code.replace(
        "        else:\n            number",
        f'        elif b"/basket" in head and ({broken}{breaks_after}):\n'
        "            body = b'{}'\n        else:\n            number",
    )
    code = code.replace("content-length: 2", "content-length: {len(body)}")
    code = code.replace('\\r\\n\\r\\nok".encode()', '\\r\\n\\r\\n".encode() + body')
    return {"app.py": code, "tests/basket.py": JOURNEY}


class Forgetful(EnvoyRouter):
    """The real router; the first ways back are lost, as by a proxy that did not reload."""

    lost: int = 0

    def set(self, routing: Routing) -> Routed:
        seen = self.observe(routing.service, routing.environment)
        back = routing.shares.get("shop-1") == 1.0
        if self.lost and back and seen is not None and seen.shares.get("shop-2"):
            type(self).lost -= 1
            return seen
        return super().set(routing)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        made.swap(sources=lambda name: Nothing(), router=Forgetful(made.home))
        with made.engine(replace(HURRY)):
            yield made


@pytest.mark.seed("S-291")
def test_what_production_lacks_is_found_before_users_are(stage: Stage) -> None:
    """Staging has the variable, production has not; only a journey against production can tell."""
    yaml = config(CANARY, more=TESTS).replace("  staging:\n", "  staging:\n    env: {TILL: open}\n")
    first = stage.deliver(stage.commit(yaml, files=shop("v1")))
    assert first.outcome == "delivered", first
    with stage.load() as load:
        done = stage.deliver(stage.commit(yaml, files=shop("v2", needs_till=True)))
        tally = load.stop()
    assert done.outcome == "failed", done
    assert "journey `tests/basket.py` failed against production" in done.because
    passed = [e.environment for e in stage.events(kind="tests.finished", delivery=done.id)]
    assert "staging" in passed
    assert tally.failed == 0
    assert stage.shares() == {first.release: 1.0}


@pytest.mark.seed("S-291")
@pytest.mark.parametrize("lost", [2, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_way_back_that_did_not_take_hold_is_not_called_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """It is told again; where that does not help, somebody is told that users are still there."""
    yaml = config(CANARY, staging=False)
    good = stage.deliver(stage.commit(yaml)).release
    monkeypatch.setattr(Forgetful, "lost", lost)
    with stage.load() as load:
        done = stage.deliver(stage.commit(yaml, errors=0.4))
        rolled_back = "rollout.rolled_back" in stage.kinds(delivery=done.id)
        assert rolled_back == (done.outcome == "rolled_back") == (stage.shares() == {good: 1.0})
        assert rolled_back == (lost == 2), done
        if not rolled_back:
            assert "did not take hold" in done.because, done
            monkeypatch.setattr(Forgetful, "lost", 0)
            eventually(lambda: stage.shares() == {good: 1.0}, lambda: str(stage.shares()))
        tally = load.stop()
    assert 0 < tally.failed == tally.statuses[500]


@pytest.mark.soak
@pytest.mark.seed("S-291")
def test_where_signals_are_slow_a_synthetic_journey_is_not(stage: Stage) -> None:
    """Nobody uses it, so no metric says anything; the basket breaks after three seconds."""
    yaml = config(CANARY.replace("30%", "{share: 30%, bake: 60s}"), more=TESTS, staging=False)
    good = stage.deliver(stage.commit(yaml, files=shop("v1"))).release
    done = stage.deliver(stage.commit(yaml, files=shop("v2", breaks_after=3)))
    assert done.outcome == "rolled_back", done
    assert "journey tests/basket.py" in done.because
    assert stage.shares() == {good: 1.0}
