"""The strategies on real parts under real load: no request is lost, and every way back works."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.load import fetch_all
from tests.support.stage import AT_ONCE, Stage, config, eventually

FOUR = config(instances=4, staging=False)
ONE = config(staging=False)
RED = config(f"{AT_ONCE}\n    tests: [{{http: {{path: /, contains: pie}}}}]", staging=False)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made, made.engine():
        assert made.deliver(made.commit(FOUR)).outcome == "delivered"
        yield made


def production(rollout: str, more: str = "", instances: int = 4) -> str:
    """A headway.yaml with this rollout in production and nothing before it."""
    block = f"rollout: {{{rollout}}}\n    analysis: {{pace: quick, latency: {{relative: 900%}}}}"
    return config(f"{block}\n    {more}" if more else block, instances, staging=False)


def releases(stage: Stage) -> set[str]:
    return {i.release for i in stage.instances()}


def test_no_way_back_is_said_and_changes_nothing(stage: Stage) -> None:
    before, seq = stage.picture(), stage.seq()
    told = stage.run("rollback", "shop", "--env", "production", "--reason", "x")
    assert (told.exit_code, "[no-way-back]" in told.output) == (3, True), told.output
    assert stage.seq() == seq
    assert stage.picture() == before


@pytest.mark.seed("S-086")
def test_blue_green_switches_at_once_and_back_at_once_and_loses_nothing(stage: Stage) -> None:
    old = stage.place().stable
    yaml = production("strategy: blue-green, bake: 1s, keep_old: 10m, stability: 0s")
    with stage.load() as load:
        id = stage.request(stage.commit(yaml))
        stage.happened("release.released", delivery=id)
        new = stage.delivery(id).release
        assert stage.shares() == {new: 1.0}
        assert releases(stage) == {old, new}
        assert stage.place().stable == new
        load.wait_answered(30)

        back = stage.run("rollout", "abort", "shop/production", "--reason", "red is nicer")
        assert back.exit_code == 0, back.output
        done = stage.ended(id)
        load.wait_answered(30)
        tally = load.stop()
    assert done.outcome == "rolled_back", done
    assert tally.failed == 0, tally
    assert len(tally.versions) == 2
    assert stage.shares() == {old: 1.0}
    assert releases(stage) == {old}
    assert (stage.place().stable, stage.place().holder) == (old, "")
    steps = [e.data["share"] for e in stage.events(delivery=id, kind="rollout.shifted")]
    assert steps == [1.0]
    told = stage.events(delivery=id, kind="rollout.rolled_back")[0]
    assert 0 < told.data["milliseconds"] < 10_000
    assert told.data["to"] == old


@pytest.mark.seed("S-086")
def test_an_old_release_that_is_kept_makes_room_for_a_newer_delivery(stage: Stage) -> None:
    yaml = production("strategy: blue-green, bake: 0s, keep_old: 10m, stability: 0s")
    with stage.load() as load:
        first = stage.request(stage.commit(yaml))
        stage.happened("release.released", delivery=first)
        assert stage.delivery(first).state != "done"
        second = stage.deliver(stage.commit(FOUR))
        tally = load.stop()
    assert stage.delivery(first).outcome == "delivered"
    assert "rollout.retired" in stage.kinds(delivery=first)
    assert second.outcome == "delivered", second
    assert stage.shares() == {second.release: 1.0}
    assert releases(stage) == {second.release}
    assert tally.failed == 0, tally


@contextmanager
def counting(stage: Stage) -> Iterator[list[tuple[int, int, int]]]:
    """Sees again and again (instances that exist, that are ready, that Envoy sends users to)."""
    seen: list[tuple[int, int, int]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            running, routed = stage.instances(), stage.routed()
            points = [] if routed is None else [p for e in routed.endpoints.values() for p in e]
            ready = sum(i.phase == "ready" for i in running)
            seen.append((len(running), ready, sum(not p.draining for p in points)))
            stop.wait(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


@pytest.mark.seed("S-087")
def test_rolling_never_has_more_than_two_over_or_one_under(stage: Stage) -> None:
    old = stage.place().stable
    yaml = production("strategy: rolling, max_surge: 2, max_unavailable: 1, stability: 0s")
    with counting(stage) as seen, stage.load() as load:
        done = stage.deliver(stage.commit(yaml))
        tally = load.stop()
    assert done.outcome == "delivered", done
    assert tally.failed == 0, tally
    assert len(seen) > 10
    assert max(running for running, _, _ in seen) <= 6
    assert min(ready for _, ready, _ in seen) >= 3
    assert min(routed for _, _, routed in seen) >= 3
    assert max(running for running, _, _ in seen) > 4, "nothing was replaced under our eyes"
    steps = stage.events(delivery=done.id, kind="rollout.shifted")
    counts = [(e.data["candidate"], e.data["stable"]) for e in steps]
    assert counts[-1] == (4, 0)
    assert all(3 <= new + was <= 6 for new, was in counts), counts
    assert len(counts) > 2
    assert releases(stage) == {done.release} != {old}


def step(stage: Stage, id: str, number: int) -> str:
    """Returns when the step is in force; gives the rollout's id."""

    def there() -> bool:
        told = stage.events(delivery=id, kind="rollout.shifted", environment="production")
        return any(e.data["step"] == number for e in told)

    eventually(there, lambda: str(stage.kinds(delivery=id)), 60)
    return stage.place().rollout


USERS = [f"user-{n}" for n in range(60)]


def met(stage: Stage, headers: list[dict[str, str]]) -> list[str | None]:
    return [a.header("x-version") for a in fetch_all(stage.address(), headers)]


@pytest.mark.seed("S-092")
def test_a_user_stays_on_a_version_through_a_canary(stage: Stage) -> None:
    yaml = production(
        "strategy: canary, steps: [20%, 50%, 100%], holdback: 10%, stability: 10m",
        "traffic: {sticky: {header: x-user}}",
        instances=1,
    )
    id = stage.request(stage.commit(yaml, version="sticky"))
    headers = [{"x-user": user} for user in USERS]
    moved: set[str] = set()
    for number, share in enumerate((0.2, 0.5, 0.9)):
        step(stage, id, number)
        assert stage.shares()[stage.delivery(id).release] == pytest.approx(share)
        first = met(stage, headers)
        assert first == met(stage, headers) == met(stage, headers)
        now = {u for u, version in zip(USERS, first, strict=True) if version == "sticky"}
        assert moved < now, "each step takes more users, and gives nobody back"
        assert len(now) < len(USERS)
        moved = now
        stage.say(id, "promote")
    stage.say(id, "promote")
    assert stage.ended(id).outcome == "delivered"
    assert set(met(stage, headers)) == {"sticky"}


@pytest.mark.soak
@pytest.mark.seed("S-092")
def test_a_cookie_keeps_a_user_whatever_sign_is_in_its_name(stage: Stage) -> None:
    yaml = production(
        "strategy: canary, steps: [50%, 100%], stability: 10m",
        'traffic: {sticky: {cookie: "50%off"}}',
        instances=1,
    )
    id = stage.request(stage.commit(yaml, version="cookie"))
    step(stage, id, 0)
    answers = fetch_all(stage.address(), [{} for _ in USERS])
    given = [str(a.header("set-cookie")).partition(";")[0] for a in answers]
    assert all(cookie.startswith("50%off-") for cookie in given), given
    first = [a.header("x-version") for a in answers]
    assert len(set(first)) == 2
    assert met(stage, [{"cookie": cookie} for cookie in given]) == first
    stage.say(id, "abort", "that was enough")
    done = stage.ended(id)
    assert (done.outcome, done.because) == ("rolled_back", "aborted by ben: that was enough")


def test_without_a_holdback_it_says_that_limits_are_absolute(stage: Stage) -> None:
    yaml = production(
        "strategy: canary, steps: [50%, 100%], holdback: 0%, stability: 3s", instances=1
    )
    with stage.load() as load:
        id = stage.request(stage.commit(yaml))
        rollout = step(stage, id, 0)
        stage.say(id, "promote", "no time")
        step(stage, id, 1)
        assert stage.shares() == {stage.delivery(id).release: 1.0}
        done = stage.ended(id)
        tally = load.stop()
    assert done.outcome == "delivered", done
    assert tally.failed == 0, tally
    judged = [e.data for e in stage.events(delivery=id, kind="rollout.judged") if e.data["step"]]
    assert {d["baseline"] for d in judged} <= {"absolute", "snapshot"}
    assert all("judged on absolute limits" in str(d["because"]) for d in judged)
    shown = stage.run("rollout", "show", rollout)
    assert "judged on absolute limits" in shown.output, shown.output


@pytest.mark.seed("S-112")
def test_a_person_goes_back_to_the_last_good_one_and_what_is_left_is_quarantined(
    stage: Stage,
) -> None:
    good = stage.deliver(stage.commit(ONE, version="good"))
    broken = stage.deliver(stage.commit(RED))
    assert broken.outcome == "failed"
    slow_sha = stage.commit(ONE, version="slow")
    slow = stage.deliver(slow_sha)
    assert slow.outcome == "delivered"
    with stage.load() as load:
        told = stage.run("rollback", "shop", "--env", "production", "--reason", "checkout is slow")
        load.wait_answered(20)
        tally = load.stop()
    assert told.exit_code == 0, told.output
    assert tally.failed == 0, tally
    assert set(tally.versions) == {"slow", "good"}
    assert stage.shares() == {good.release: 1.0}
    assert stage.place().stable == good.release
    assert releases(stage) == {good.release}
    assert stage.instances()[0].digest == good.digest
    assert good.release in stage.run("status", "shop").output

    before = stage.picture()
    again = stage.run("deliver", str(stage.repo), "--rev", slow_sha, "--json")
    assert again.exit_code == 3, again.output
    view = json.loads(again.stdout)
    assert (view["code"], view["digest"]) == ("quarantine", slow.digest)
    assert "checkout is slow" in view["because"]
    assert stage.picture() == before

    clear = ("-y", "artifact", "clear", slow.digest, "--env", "production")
    assert stage.run(*clear, "--reason", "the database was slow").exit_code == 0
    twice = stage.run(*clear, "--reason", "again")
    assert (twice.exit_code, "[not-quarantined]" in twice.output) == (2, True), twice.output
    done = stage.deliver(slow_sha)
    assert done.outcome == "delivered", done
    assert done.digest == slow.digest
