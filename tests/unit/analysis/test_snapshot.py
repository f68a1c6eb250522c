"""When a snapshot may stand in for a stable version, and what is said of its age."""

from dataclasses import replace

import pytest

from headway.analysis.memory import Memory
from headway.analysis.snapshot import Kept, ago, standing

BOUNDS = (10.0, 100.0)
KEPT = Kept("shop-1", 1000.0, Memory(500.0, 5.0, BOUNDS, (300.0, 190.0, 10.0)))
HOUR, DAY = 3600.0, 86400.0


def after(seconds, policy="stable", bounds=BOUNDS, kept=KEPT):
    return standing(kept, 1000.0 + seconds, bounds, policy)


def test_a_fresh_one_is_used_and_its_age_said():
    found = after(5 * HOUR)
    assert found.memory == KEPT.memory
    assert found.words == "compared with the snapshot of shop-1, 5 h old"
    assert (found.stale, found.release, found.age_seconds) == (False, "shop-1", 5 * HOUR)


@pytest.mark.seed("S-101")
@pytest.mark.parametrize(
    ("seconds", "policy", "used", "stale", "words"),
    [
        (DAY, "stable", True, False, "24 h old"),
        (DAY + 1, "stable", False, False, "is stale and not used; `baseline: snapshot`"),
        (DAY + 1, "snapshot", True, True, "stale, so the hour or the load"),
        (7 * DAY, "snapshot", True, True, "7 days old: stale"),
        (7 * DAY + 1, "snapshot", False, False, "too old to compare with"),
        (-60.0, "stable", True, False, "0 s old"),
    ],
)
def test_age_decides(seconds, policy, used, stale, words):
    found = after(seconds, policy)
    assert ((found.memory is not None), found.stale) == (used, stale)
    assert words in found.words


def test_latencies_of_other_buckets_are_left_out_and_warned_of():
    found = after(60, bounds=(10.0, 50.0, 100.0))
    assert found.memory == Memory(500.0, 5.0)
    assert not found.memory.knows_latency
    assert found.stale
    assert "counted in other buckets and are left out" in found.words
    without = replace(KEPT, memory=Memory(500.0, 5.0))
    assert not after(60, bounds=(1.0,), kept=without).stale


@pytest.mark.parametrize("kept", [None, Kept("shop-1", 1000.0, Memory())])
def test_nothing_kept_says_nothing(kept):
    found = after(60, kept=kept)
    assert (found.memory, found.words) == (None, "")


def test_ages_in_words():
    spans = (40, 119, 120, 7000, 7200, 172_800)
    assert [ago(s) for s in spans] == ["40 s", "119 s", "2 min", "117 min", "2 h", "2 days"]
