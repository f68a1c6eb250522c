"""Shadow traffic and journeys on real parts: Envoy mirrors, and users are safe."""

import json
from collections.abc import Iterator

import pytest
from tests.support.stage import Stage, config

from headway.model.series import Selector, Series

MARGINS = """\
    analysis:
      pace: quick
      errors: {absolute: 5%, relative: 50%}
      latency: {relative: 300%}"""
MIRROR_FIRST = f"""\
rollout:
      strategy: canary
      steps: [{{mirror: 100%, bake: 2s}}, 50%, 100%]
      holdback: 10%
      stability: 1s
      ignore_fields: [id]
{MARGINS}"""
SHADOW = f"""\
rollout: {{strategy: shadow, mirror: 100%, bake: 2s, ignore_fields: [id]}}
{MARGINS}"""
JOURNEY = """\
import os, sys, urllib.request
asked = urllib.request.Request(os.environ["HEADWAY_URL"] + "/basket")
asked.add_header("x-headway-release", os.environ["HEADWAY_RELEASE"])
with urllib.request.urlopen(asked, timeout=10) as answer:
    sys.exit(0 if b"price" in answer.read() else "the basket has no price")
"""
# Answers JSON with a number of its own; says what it was sent, and whether it was marked.
APP = """\
import http.server, json, os, random, sys, time

PRICE, SLEEP, BROKEN = @PRICE@, @SLEEP@, @BROKEN@


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", 65536

    def do_GET(self):
        if self.path != "/health":
            time.sleep(SLEEP)
        basket = BROKEN and self.path == "/basket"
        answer = {"id": random.random(), "lines": [] if basket else [{"price": PRICE}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-shadow", self.headers.get("x-headway-shadow", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        # CPU and memory of two instances on a busy machine are another test's subject.
        made.swap(sources=lambda name: Nothing())
        with made.engine():
            yield made


class Nothing:
    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        return ()


def version(
    stage: Stage, production: str, *, price: int = 10, sleep: float = 0.0, broken: bool = False
) -> str:
    text = APP.replace("@PRICE@", str(price)).replace("@SLEEP@", str(sleep))
    files = {"app.py": text.replace("@BROKEN@", str(broken)), "tests/basket.py": JOURNEY}
    more = (
        "tests: [{http: /health}, {journey: tests/basket.py}]" if "JOURNEYS" in production else ""
    )
    yaml = config(production.replace("# JOURNEYS", ""), more=more, staging=False)
    return stage.commit(yaml, files=files)


def shown(stage: Stage, rollout: str) -> dict[str, object]:
    result = stage.run("rollout", "show", rollout, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.output)
    return found


@pytest.mark.seed("S-088")
def test_a_good_release_is_mirrored_compared_and_then_gets_users(stage: Stage) -> None:
    assert stage.deliver(version(stage, MIRROR_FIRST)).outcome == "delivered"
    with stage.load(rate=200) as load:
        done = stage.deliver(version(stage, MIRROR_FIRST))
        tally = load.stop()
    assert done.outcome == "delivered", done
    assert tally.failed == 0
    steps = [e.data for e in stage.events(kind="rollout.shifted") if e.release == done.release]
    assert [(s["share"], s["mirror"]) for s in steps] == [(0.0, 1.0), (0.5, 0.0), (0.9, 0.0)]
    (compared,) = stage.events(kind="rollout.compared")
    assert compared.data["compared"] > 5  # type: ignore[operator]
    assert compared.data["candidate"] == 0
    told = shown(stage, "shop/production")
    assert told["compared"]
    routed = stage.routed()
    assert routed is not None
    assert routed.mirror is None
    assert stage.world.differ.read("shop", "production") is None


@pytest.mark.soak
def test_a_release_that_answers_otherwise_goes_back_before_any_user(stage: Stage) -> None:
    assert stage.deliver(version(stage, MIRROR_FIRST)).outcome == "delivered"
    stable = stage.place().stable
    with stage.load(rate=200) as load:
        done = stage.deliver(version(stage, MIRROR_FIRST, price=11))
        tally = load.stop()
    assert done.outcome == "failed", done
    assert "equal answers" in done.because
    assert tally.failed == 0
    (back,) = stage.events(kind="rollout.rolled_back")
    assert (back.data["exposed"], back.data["share"]) == (False, 0.0)
    assert stage.shares() == {stable: 1.0}
    assert {i.release for i in stage.instances()} == {stable}
    report = stage.run("rollout", "show", back.subject)
    assert "body $.lines[].price" in report.output, report.output
    assert "mirror 100%" in report.output


@pytest.mark.soak
def test_a_slow_shadow_is_judged_and_users_do_not_wait_for_it(stage: Stage) -> None:
    assert stage.deliver(version(stage, MIRROR_FIRST)).outcome == "delivered"
    with stage.load(rate=60) as load:
        done = stage.deliver(version(stage, SHADOW, sleep=0.9))
        tally = load.stop()
    assert done.outcome == "failed", done
    assert "slower" in done.because
    assert (tally.failed, tally.slowest < 0.8) == (0, True)


@pytest.mark.soak
@pytest.mark.seed("S-088", "S-477")
def test_the_strategy_shadow_ends_with_the_stable_version_in_charge(stage: Stage) -> None:
    assert stage.deliver(version(stage, MIRROR_FIRST)).outcome == "delivered"
    stable = stage.place().stable
    with stage.load(rate=200) as load:
        done = stage.deliver(version(stage, SHADOW))
        tally = load.stop()
    assert (done.outcome, tally.failed) == ("delivered", 0), done
    assert stage.shares() == {stable: 1.0}
    assert {i.release for i in stage.instances()} == {stable}
    assert stage.place().stable == stable
    assert shown(stage, stage.events(kind="rollout.shadowed")[-1].subject)["outcome"] == "shadowed"


@pytest.mark.soak
@pytest.mark.seed("S-030", "S-280")
def test_a_journey_finds_what_status_codes_do_not_show(stage: Stage) -> None:
    """The basket is empty, with status 200 and fast: users' metrics are well."""
    canary = (
        "rollout: {strategy: canary, steps: [50%, 100%], holdback: 10%, stability: 1s}\n"
        f"{MARGINS}\n      insufficient_data: promote_unproven\n    # JOURNEYS"
    )
    assert stage.deliver(version(stage, canary)).outcome == "delivered"
    with stage.load(rate=150) as load:
        good = stage.deliver(version(stage, canary))
        red = stage.deliver(version(stage, canary, broken=True))
        load.stop()
    assert good.outcome == "delivered", good
    assert red.outcome == "failed", red
    assert "journey `tests/basket.py` failed" in red.because
    assert stage.world.player.read("shop", "production") is None
    names = {s["name"] for s in shown(stage, rollout_of(stage, good.id))["steps"][0]["signals"]}  # type: ignore[index]
    assert "journey tests/basket.py" in names


def rollout_of(stage: Stage, delivery: str) -> str:
    return stage.events(kind="rollout.started", delivery=delivery)[-1].subject
