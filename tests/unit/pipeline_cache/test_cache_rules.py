"""Which entry is found, what may be read, and what goes first: the rules alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Failed
from headway.model.job import JobOrder
from headway.pipeline.cache.eviction import Kept, victims
from headway.pipeline.cache.keys import Hit, check, entry_name, find, restore_keys
from headway.pipeline.cache.scopes import scopes

PATHS = ["deps"]


class Store:
    """Entries by scope, the newest last."""

    def __init__(self, **entries: list[str]) -> None:
        self.entries = entries

    def __call__(self, scope: str, prefix: str) -> list[tuple[str, str, float]]:
        named = [entry_name(PATHS, key) for key in self.entries.get(scope, [])]
        found = [(n, f"d{i}", float(i)) for i, n in enumerate(named) if n.startswith(prefix)]
        return found[::-1]


def hit(store: Store, *keys: str, read: tuple[str, ...] = ("own", "main")) -> Hit | None:
    return find(store, read, PATHS, keys)


def test_the_key_itself_comes_before_newer_ones_that_begin_with_it() -> None:
    found = hit(Store(own=["a", "a-1", "a-2"]), "a")
    assert found
    assert (found.key, found.exact) == ("a", True)


def test_else_the_newest_that_begins_so_then_the_restore_keys_in_order() -> None:
    store = Store(own=["x-1", "b-1", "b-2", "a-1"])
    found = hit(store, "c", "b-", "a-", "x-")
    assert found
    assert (found.key, found.exact) == ("b-2", False)
    assert hit(store, "c", "d") is None


def test_ones_own_branch_comes_first_even_for_a_restore_key() -> None:
    found = hit(Store(own=["a-1"], main=["a-2"]), "a-2", "a-")
    assert found
    assert (found.key, found.scope, found.exact) == ("a-1", "own", False)
    found = hit(Store(own=[], main=["a-2"]), "a-2")
    assert found
    assert (found.scope, found.exact) == ("main", True)


def test_a_restore_key_that_is_the_key_is_exact() -> None:
    found = hit(Store(own=["a-1"]), "a-1", "a-1")
    assert found
    assert found.exact


@pytest.mark.parametrize("keys", [[""], ["a,b"], ["x" * 513], ["k"] * 11])
def test_keys_have_bounds(keys: list[str]) -> None:
    with pytest.raises(Failed) as refused:
        check(keys)
    assert refused.value.code == "bad-key"


def test_restore_keys_are_lines() -> None:
    assert restore_keys("\n a-\n\n b-  \n") == ("a-", "b-")


def order(**fields: object) -> JobOrder:
    plain: dict[str, object] = {
        "run": "r",
        "id": "j",
        "key": "j",
        "name": "j",
        "attempt": 1,
        "repo": "/repo",
        "sha": "0" * 40,
        "ref": "refs/heads/main",
        "steps": (),
    }
    return JobOrder(**{**plain, **fields})  # type: ignore[arg-type]


refs = st.sampled_from(["refs/heads/main", "main", "refs/heads/x", "refs/pull/1/merge", "", "fork"])
events = st.sampled_from(["push", "pull_request", "pull_request_target", "schedule", ""])


@given(refs, events, st.booleans(), st.integers(0, 3))
def test_only_a_trusted_run_of_a_branch_writes_what_others_read(
    ref: str, event: str, trusted: bool, number: int
) -> None:
    github = {"event_name": event, "event": {"number": number}, "base_ref": "main"}
    mine = scopes(order(ref=ref, trusted=trusted, contexts={"github": github}))
    default = scopes(order()).write
    assert default in mine.read
    assert mine.write in mine.read
    if not trusted or event.startswith("pull_request"):
        assert mine.write != default
    if not trusted:
        assert mine.write.startswith("cache/fork/")
        of_trusted = scopes(order(ref=ref, contexts={"github": github}))
        assert mine.write not in of_trusted.read
    assert len(mine.write) < 100


def test_repositories_share_nothing() -> None:
    mine, other = scopes(order()), scopes(order(repo="/other"))
    assert not set(mine.read) & set(other.read)


@pytest.mark.parametrize("github", [{}, {"event": None}, {"event": {"repository": "x"}}])
def test_odd_events_are_no_reason_to_fail(github: dict[str, object]) -> None:
    assert scopes(order(contexts={"github": github})).write == scopes(order()).write


def test_another_default_branch() -> None:
    event = {"repository": {"default_branch": "trunk"}}
    there = scopes(order(ref="refs/heads/x", contexts={"github": {"event": event}}))
    assert scopes(order(ref="refs/heads/trunk")).write in there.read
    assert scopes(order()).write not in there.read


entries = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 50), st.integers(0, 100)), max_size=12
)


@given(entries, st.integers(0, 200))
def test_eviction_frees_enough_and_no_more_than_it_must(
    rows: list[tuple[int, int, int]], limit: int
) -> None:
    sizes: dict[int, int] = {}
    kept = [
        Kept(str(n), str(blob), sizes.setdefault(blob, size), used)
        for n, (blob, size, used) in enumerate(rows)
    ]
    gone = victims(kept, limit)
    left = [entry for entry in kept if entry not in gone]

    def total(entries: list[Kept]) -> int:
        return sum({e.digest: e.size for e in entries}.values())

    assert total(left) <= limit or len(left) == min(len(kept), 1)
    assert all(g.used <= stays.used for g in gone for stays in left)
    if gone:
        assert total([*left, gone[-1]]) > limit
