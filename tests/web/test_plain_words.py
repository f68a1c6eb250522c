"""How pages put a judge's reason for people, and figures of charts."""

import pytest

from headway.web import words


@pytest.mark.parametrize(
    ("because", "plain"),
    [
        (
            "slower than 15 ms: 47 % of 312 requests against 15 % of 5,716 on stable"
            " (log evidence 9.3, limit 4.6)",
            "47 % of 312 requests were slower than 15 ms, against 15 % of 5,716 on stable",
        ),
        (
            "errors: 14 % of 1,446 requests (log evidence 14.5, limit 4.6); judged on absolute"
            " limits: no stable version takes requests at the same time",
            "14 % of 1,446 requests failed; judged on absolute"
            " limits: no stable version takes requests at the same time",
        ),
        ("built from commit `abc`, signed by key 1", "built from commit abc, signed by key 1"),
        ("a person aborted it: errors: too many", "a person aborted it: errors: too many"),
    ],
)
def test_a_judges_reason_is_said_in_plain_words(because: str, plain: str) -> None:
    assert words.plainly(because) == plain


@pytest.mark.parametrize(
    ("number", "shown"), [(47.2384, "47.24"), (0.78949, "0.7895"), (53460000.0, "53,460,000")]
)
def test_a_figure_has_at_most_four_digits_that_matter(number: float, shown: str) -> None:
    assert words.figure(number) == shown
