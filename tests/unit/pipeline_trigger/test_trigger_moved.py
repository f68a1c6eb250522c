"""Refs that moved become pushes."""

from hypothesis import given
from hypothesis import strategies as st

from headway.pipeline.trigger.event import is_ref, is_sha
from headway.pipeline.trigger.moved import MOST_AT_ONCE, differences, pushed, seen

A, B = "a" * 40, "b" * 40
NAMES = st.sampled_from([f"refs/{k}/{n}" for k in ("heads", "tags", "notes") for n in "abc"])
REFS = st.dictionaries(NAMES, st.sampled_from([A, B]), max_size=6)


def test_a_push_knows_what_was_made_and_what_is_gone() -> None:
    made = pushed("hosted", "/h/git/shop.git", "refs/heads/main", "0" * 40, A)
    assert (made.sha, made.before, made.deleted, made.repo) == (A, "", False, "shop")
    assert made.payload["created"] is True
    gone = pushed("hosted", "/h/git/shop.git", "refs/heads/main", A, "0" * 40)
    assert (gone.sha, gone.before, gone.deleted) == ("", A, True)


@given(REFS, REFS)
def test_what_was_told_is_what_is_seen(before: dict[str, str], after: dict[str, str]) -> None:
    events = differences("x", before, after)
    heard = {r for r in {*before, *after} if not r.startswith("refs/notes")}
    assert {e.ref for e in events} == {r for r in heard if before.get(r) != after.get(r)}
    known = seen(before, events)
    assert {r: s for r, s in known.items() if r in heard} == {
        r: s for r, s in after.items() if r in heard
    }
    assert differences("x", known, after) == ()


def test_very_many_come_in_portions() -> None:
    after = {f"refs/heads/{n:04}": A for n in range(MOST_AT_ONCE + 50)}
    known: dict[str, str] = {}
    told = 0
    for _ in range(2):
        events = differences("x", known, after)
        assert len(events) <= MOST_AT_ONCE
        known, told = seen(known, events), told + len(events)
    assert (known, told) == (after, MOST_AT_ONCE + 50)


def test_refs_and_shas_are_those_of_git() -> None:
    good = ["refs/heads/main", "refs/heads/a/b", "refs/tags/v1", "refs/heads/$(id)", "refs/heads/ü"]
    bad = [
        "main", "refs/heads/", "refs/heads", "refs/heads/a b", "refs/heads/a..b", "refs/heads/a\n",
        "refs/heads/a\0", "refs/heads/a~1", "refs/heads/a^", "refs/heads/a:b", "refs/heads/.a",
        "refs/heads/a.lock", "refs/heads/a//b", "refs/heads/a/", "refs/heads/a.", "refs/heads/@{u}",
        "refs/heads/[a]", "refs/heads/a\\b", "refs/heads/" + "x" * 1024, None, 7,
    ]  # fmt: skip
    assert [r for r in good if not is_ref(r)] == []
    assert [r for r in bad if is_ref(r)] == []
    assert is_sha(A)
    assert is_sha("0123456789abcdef" * 4)
    assert [s for s in ("0" * 40, "A" * 40, "a" * 39, "a" * 41, A + "\n", None) if is_sha(s)] == []
