"""Cancelled at any moment, a job leaves nothing of its containers, and they are gone soon."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.contract.job_runs import QUICK, Seen, order, runner_in, short_home, survivors
from tests.contract.test_job_runner_ends import Clock
from tests.support.podman import groups, image, leftovers, needs_podman

from headway.adapters.linux.runner import LinuxRunner
from headway.model.job import JobOrder, StepSpec

pytestmark = [needs_podman, pytest.mark.soak]
COUNT = 60
GRACE = QUICK.int_seconds + QUICK.term_seconds
DEAF = "trap '' INT TERM; echo up; while :; do sleep 0.1; done"
DAEMON = "setsid sh -c 'exec >&- 2>&-; trap \"\" INT TERM; sleep 600' & echo up; sleep 600"
PLAIN = "echo up; sleep 600"
KINDS = ("plain", "deaf", "daemon", "earlier", "service", "action", "both")


@pytest.fixture(scope="module")
def img(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with image(tmp_path_factory.mktemp("image")) as name:
        yield name


@pytest.fixture(scope="module")
def runner() -> Iterator[LinuxRunner]:
    with short_home() as home:
        made = runner_in(home)
        yield made
        made.close()


def made(kind: str, key: str, img: str) -> JobOrder:
    """A job that never ends; all it starts has its key among its variables."""
    mark = {"MARK": f"ends-{key}-"}
    sleeper = {"image": img, "entrypoint": "sleep", "command": "600", "env": mark}
    deaf = {"image": img, "entrypoint": "sh", "command": f'-c "{DEAF}"', "env": mark}
    image_of = {"image": img, "env": mark}
    action = StepSpec(
        "s", uses=f"docker://{img}", inputs={"entrypoint": "sh", "args": f'-c "{DEAF}"'}
    )
    env = (mark,)
    match kind:
        case "plain" | "deaf" | "daemon":
            script = {"plain": PLAIN, "deaf": DEAF, "daemon": DAEMON}[kind]
            return order(key, script, container=image_of, env=env)
        case "earlier":
            return order(key, f"{DAEMON.partition(' & ')[0]} &", PLAIN, container=image_of, env=env)
        case "service":
            return order(key, PLAIN, services={"a": sleeper, "b": deaf}, env=env)
        case "action":
            return order(key, action, env=env)
        case _:
            return order(key, action, services={"a": sleeper}, container=image_of, env=env)


def test_random_cancels_of_containers(
    runner: LinuxRunner, img: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel needs to kill is asserted; what tidying up takes after it is printed."""
    chance, clock, before = random.Random(11), Clock(monkeypatch), groups()
    plan = [(n, KINDS[n % len(KINDS)], chance.uniform(0, 4), chance.random()) for n in range(COUNT)]

    def one(n: int, kind: str, after: float, early: float) -> tuple[str, str, float, list[str]]:
        """A third at any moment, the others a moment after what never ends has begun."""
        seen, key, at = Seen(), f"cancel-{n}", [0.0]

        def stop() -> None:
            at[0] = time.monotonic()
            seen.stop.set()

        timer = threading.Timer(after, stop)
        if early < 1 / 3:
            timer.start()
        else:
            seen.on_line = lambda line: (
                threading.Timer(after / 8, stop).start() if line.text == "up" else None
            )
        outcome = runner.run(made(kind, key, img), {}, seen).outcome
        took = time.monotonic() - at[0]
        return kind, outcome, took, survivors(f"ends-{key}-")

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda given: one(*given), plan))
    assert [left for *_, left in found if left] == []
    assert leftovers(runner._home) == []
    assert groups() <= before
    print(Counter(outcome for _, outcome, *_ in found), clock.shown())
    for kind in KINDS:
        times = sorted(took for each, _, took, _ in found if each == kind)
        print(kind, "from cancel to the end, s:", *(f"{took:.2f}" for took in times))
    assert {outcome for _, outcome, *_ in found} == {"cancelled"}
    took = sorted(clock.took)
    assert took[len(took) // 2] < 1.0
    assert took[-1] < 5.0
