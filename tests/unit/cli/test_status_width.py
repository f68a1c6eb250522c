"""`headway status` in a narrow terminal: no line is longer than it, and nothing is cut."""

from datetime import UTC, datetime, timedelta

from headway.cli.status import lines
from headway.store.views.status import Here, Open, Status
from headway.wording.text import width

NOW = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
PLACE = Here(
    "shop", "production", "shop-2", "sha256:" + "a" * 64, "32cc5fa9bab6", NOW - timedelta(hours=1),
    "Shop Team <team@example.org>", "http://127.0.0.1:57633", "", "", "", 0.0, "",
)  # fmt: skip
WAITS = Open(
    "del_01M8073FCFS9VGT6RJH759PRKE", "shop", "production", "shop-3", "6d836aa9a875", "Faster",
    "ben", "waiting", "waits before production: approval by people, 0 of 1", NOW,
)  # fmt: skip
TOLD = Status((PLACE,), (WAITS,))


def test_eighty_columns_are_enough_and_the_reason_stays_whole() -> None:
    told = lines(TOLD, NOW, "", 80)
    assert max(map(width, told)) <= 80
    assert all(w in "\n".join(told) for w in ("shop-2", "Shop Team", PLACE.address, WAITS.because))


def test_a_pipe_gets_every_column_and_one_line_for_each_delivery() -> None:
    told = lines(TOLD, NOW, "", None)
    assert told[0].split() == [
        "SERVICE", "ENVIRONMENT", "RELEASE", "COMMIT", "DIGEST", "SINCE", "BY", "ROLLOUT",
    ]  # fmt: skip
    assert "<team@example.org>" not in told[1]
    assert len(told) == 5
    assert WAITS.delivery in told[-1]
    assert WAITS.because in told[-1]
