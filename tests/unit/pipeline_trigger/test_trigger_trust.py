"""Which commit's files say what to do, and who gets secrets."""

from dataclasses import replace

from headway.pipeline.trigger import TriggerEvent, definition
from headway.pipeline.trigger.trust import on_target

HEAD, BASE, PUSHED = "1" * 40, "2" * 40, "3" * 40
PUSH = TriggerEvent("push", "o/r", "refs/heads/dev", PUSHED, "github", default_branch="main")
PR = TriggerEvent(
    "pull_request", "o/r", "refs/pull/7/merge", HEAD, "github", type="opened", base="release",
    base_sha=BASE, head="topic", head_sha=HEAD, number=7, default_branch="main",
)  # fmt: skip
FORK = replace(PR, fork=True, trusted=False)


def test_a_push_speaks_for_itself() -> None:
    known = definition(PUSH)
    assert (known.revision, known.code, known.trusted) == (PUSHED, PUSHED, True)


def test_a_pull_request_of_the_same_repository_too() -> None:
    known = definition(PR)
    assert (known.revision, known.code, known.trusted) == (HEAD, HEAD, True)


def test_a_fork_is_judged_by_the_base_branch_as_it_is_now_and_gets_no_secrets() -> None:
    known = definition(FORK)
    assert (known.revision, known.code, known.trusted) == ("refs/heads/release", HEAD, False)


def test_a_fork_that_claims_trust_gets_none() -> None:
    assert not definition(replace(FORK, trusted=True)).trusted


def test_a_fork_without_a_base_is_judged_by_the_default_branch() -> None:
    assert definition(replace(FORK, base="")).revision == "refs/heads/main"
    assert definition(replace(FORK, base="", default_branch="")).revision == "HEAD"


def test_the_target_variant_is_about_the_default_branch_in_files_and_code() -> None:
    target = on_target(FORK)
    assert target is not None
    known = definition(target)
    assert target.name == "pull_request_target"
    assert (known.revision, known.code) == ("refs/heads/main", "refs/heads/main")
    assert not known.trusted
    assert on_target(PUSH) is None


def test_reviews_of_a_forks_pull_request_are_judged_like_it() -> None:
    for name in ("pull_request_review", "pull_request_review_comment"):
        known = definition(replace(FORK, name=name))
        assert (known.revision, known.code, known.trusted) == ("refs/heads/release", HEAD, False)


def test_a_ref_that_is_gone_leaves_the_word_to_the_default_branch() -> None:
    gone = definition(replace(PUSH, sha="", deleted=True))
    assert (gone.revision, gone.code) == ("refs/heads/main", "refs/heads/main")
    unknown = definition(replace(PUSH, sha="", deleted=True, default_branch=""))
    assert unknown.revision == "HEAD"


def test_no_sha_means_the_tip() -> None:
    assert definition(replace(PUSH, sha="")).revision == "refs/heads/dev"
