"""What every player of journeys promises: bounded, one at a time, nothing left behind."""

import os
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from headway.adapters.beside.player import LocalPlayer
from headway.model.errors import Drifted
from headway.ports.journey_player import JourneyOrder

FILES = {
    "good.py": "import os\nassert os.environ['HEADWAY_URL'] == 'http://127.0.0.1:1'\n",
    "bad.sh": 'echo "no basket for $HEADWAY_RELEASE"; test "$HEADWAY_RELEASE" != shop-2',
    "own": "#!/bin/sh\nexit 0\n",
    "hangs.sh": 'sleep 600 & echo $! > "$HOME/new"; mv "$HOME/new" "$HOME/grandchild"; sleep 600',
    "counts.sh": 'mkdir "$HOME/alone" || exit 7; sleep 0.1; rmdir "$HOME/alone"',
    "curious.sh": 'env | grep -i secret && exit 1; test "$HEADWAY_HOST" = shop.example.com',
}


class Repository:
    def commit(self, repo, revision):
        raise NotImplementedError

    def read(self, repo, sha, path):
        raise NotImplementedError

    def checkout(self, repo, sha, into):
        for name, text in FILES.items():
            (Path(into) / name).write_text(text)
        (Path(into) / "own").chmod(0o755)


@pytest.fixture
def home():
    found = Path(tempfile.mkdtemp(prefix="hwj"))
    yield found
    LocalPlayer(found, Repository()).stop("shop", "production", 10**9)
    shutil.rmtree(found)


@pytest.fixture
def player(home):
    return LocalPlayer(home, Repository())


def order(*files, generation=1, releases=("shop-2", "shop-1"), **more):
    return JourneyOrder(
        "shop", "production", generation, "/repo", "a1", files, releases,
        "http://127.0.0.1:1", "x-headway-release", "shop.example.com", 0.1, **more,
    )  # fmt: skip


def eventually(condition, within=30.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def played(player, file, times=2):
    """Wait until every release was tried so often; gives the counts of the file."""

    def enough():
        found = player.read("shop", "production")
        counts = found.counts[file] if found else {}
        return len(counts) == 2 and all(total >= times for _, total in counts.values())

    eventually(enough)
    return player.read("shop", "production")


def gone(pid):
    assert pid.isdigit()
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.seed("S-030")
def test_both_releases_are_walked_and_failures_are_told(player):
    player.play(order("good.py", "bad.sh", "own"))
    seen = played(player, "own", 3)
    for file in ("good.py", "own"):
        assert {bad for bad, _ in seen.counts[file].values()} == {0}, seen.last
    bad, total = seen.counts["bad.sh"]["shop-2"]
    assert bad == total >= 3
    assert seen.counts["bad.sh"]["shop-1"][0] == 0
    assert seen.last == {"bad.sh": "shop-2: exit 1: no basket for shop-2"}


def test_the_environment_is_closed(player, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    player.play(order("curious.sh"))
    seen = played(player, "curious.sh")
    assert {bad for bad, _ in seen.counts["curious.sh"].values()} == {0}, seen.last


def test_one_at_a_time(player):
    player.play(order("counts.sh", "counts.sh"))
    seen = played(player, "counts.sh", 6)
    assert {bad for bad, _ in seen.counts["counts.sh"].values()} == {0}, seen.last


def test_a_journey_that_hangs_is_ended_with_all_it_started(home, player):
    player.play(order("hangs.sh", timeout_seconds=0.5))
    seen = played(player, "hangs.sh", 1)
    assert seen.last == {"hangs.sh": "shop-1: it did not end in time"}
    assert seen.counts["hangs.sh"]["shop-2"][0] == seen.counts["hangs.sh"]["shop-2"][1]
    player.stop("shop", "production", 2)
    last = (home / "beside/production/shop/player/tmp/grandchild").read_text()
    eventually(lambda: gone(last.strip()))


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_stopping_ends_what_is_under_way_and_leaves_nothing(home, player, how):
    player.play(order("hangs.sh", "good.py"))
    file = home / "beside/production/shop/player/tmp/grandchild"
    eventually(lambda: file.exists() and file.read_text().strip())
    grandchild = file.read_text().strip()
    if how == "kill":
        for pid in pids(home):
            if "headway.adapters.beside.play" in pid[1]:
                os.kill(pid[0], signal.SIGKILL)
    began = time.monotonic()
    player.stop("shop", "production", 2)
    assert time.monotonic() - began < 10
    eventually(lambda: gone(grandchild))
    assert pids(home) == []
    assert player.read("shop", "production") is None


def pids(home):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except (OSError, ProcessLookupError):
                continue
            if str(home).encode() in text:
                found.append((int(entry.name), text.decode(errors="replace")))
    return found


def test_a_killed_player_comes_back_when_it_is_read(home, player):
    player.play(order("good.py"))
    epoch = played(player, "good.py").epoch
    os.kill(int(epoch.partition("-")[0]), signal.SIGKILL)
    eventually(lambda: (found := player.read("shop", "production")) and found.epoch != epoch)
    assert played(player, "good.py").last == {}


def test_older_orders_are_refused_and_the_same_again_changes_nothing(player):
    player.play(order("good.py", generation=5))
    epoch = played(player, "good.py").epoch
    player.play(order("good.py", generation=5))
    player.play(order("good.py", generation=6))
    assert played(player, "good.py", 4).epoch == epoch
    for stale in (order("good.py", generation=5), order("own", generation=6)):
        with pytest.raises(Drifted):
            player.play(stale)
    player.play(replace(order("good.py", generation=7), releases=("shop-3", "shop-1")))
    eventually(lambda: "shop-3" in (player.read("shop", "production").counts["good.py"]))
    assert player.read("shop", "production").epoch != epoch
    player.stop("shop", "production", 8)
    with pytest.raises(Drifted):
        player.play(order("good.py", generation=7))


def test_nothing_was_ever_played(player):
    assert player.read("nobody", "nowhere") is None
    player.stop("nobody", "nowhere", 1)
