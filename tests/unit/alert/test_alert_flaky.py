"""A job that fails and passes on one commit; what was cut off says nothing."""

import pytest

from headway.alert import flaky
from headway.model.event import Event


def ran(**jobs: str) -> list[Event]:
    return [
        Event(n, f"del_1/0/job.finished:{name}", 1.0, f"job.finished:{name}", "del_1", "del_1",
              "shop", "", "", {"job": name, "outcome": outcome})
        for n, (name, outcome) in enumerate(jobs.items())
    ]  # fmt: skip


RED, GREEN = ran(lint="success", build="failure"), ran(lint="success", build="success")


@pytest.mark.parametrize(
    ("now", "before", "found"),
    [
        (GREEN, [RED], ("build",)),
        (RED, [GREEN, GREEN], ("build",)),
        (GREEN, [GREEN], ()),
        (RED, [RED], ()),
        (GREEN, [], ()),
        (GREEN, [ran(lint="success", build="skipped")], ()),
        (GREEN, [ran(test="failure")], ()),
    ],
)
def test_only_a_job_with_both_ends_flaps(
    now: list[Event], before: list[list[Event]], found: tuple[str, ...]
) -> None:
    assert flaky.jobs(now, before) == found


def test_a_delivery_that_failed_ends_nothing() -> None:
    end = Event(9, "x", 1.0, "delivery.finished", "del_1", "del_1", "shop", "production", "",
                {"outcome": "failed", "sha": "a2"})  # fmt: skip
    assert flaky.read(end, RED, [RED]).ends == ()
    (symptom,) = flaky.read(end, RED, [GREEN]).symptoms
    assert (symptom.environment, symptom.cause) == ("", "pipeline")
