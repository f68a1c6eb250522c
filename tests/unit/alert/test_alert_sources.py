"""Which event is which symptom, one line each; hostile data breaks nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.alert import sources
from headway.alert.routes import BY_RULE
from headway.model.event import Event


def of(kind: str, data: dict[str, Any], release: str = "shop-2", seq: int = 5) -> Event:
    return Event(seq, f"rol_1/0/{kind}", 7.0, kind, "rol_1", "del_1", "shop", "production",
                 release, data)  # fmt: skip


BACK = of("rollout.rolled_back", {})
DECIDED = of("rollout.failed", {})
CASES: list[tuple[Event, tuple[Event, ...], set[str]]] = [
    (of("rollout.rolled_back", {"step": 1, "to": "shop-1"}), (), {"rollout_failed"}),
    (of("rollout.rolled_back", {"step": -1, "to": "shop-1"}), (), {"deploy_failed"}),
    (of("rollout.closed", {}), (), {"deploy_failed"}),
    (of("rollout.held", {"because": "no data"}), (), {"rollout_held"}),
    (of("rollout.recovered", {"outcome": "FAIL"}), (), {"outage"}),
    (of("rollout.recovered", {"outcome": "WAIT"}), (), set()),
    (of("delivery.finished", {"outcome": "failed"}), (DECIDED,), {"rollback_failed"}),
    (of("delivery.finished", {"outcome": "rolled_back"}), (DECIDED, BACK), set()),
    (of("delivery.finished", {"outcome": "failed"}), (DECIDED, BACK), set()),
    (of("delivery.finished", {"outcome": "failed"}), (), {"deploy_failed"}),
    (of("delivery.finished", {"outcome": "failed"}, ""), (), {"pipeline_failed"}),
    (of("delivery.finished", {"outcome": "refused", "code": "policy"}), (), {"delivery_refused"}),
    (of("delivery.finished", {"outcome": "refused", "code": "approval"}), (), set()),
    (of("delivery.finished", {"outcome": "cancelled"}), (), set()),
    (of("delivery.finished", {"outcome": "delivered"}), (), set()),
    (of("artifact.verified", {"outcome": "FAIL"}), (), {"signature_refused"}),
    (of("artifact.verified", {"outcome": "PASS"}), (), set()),
    (of("artifact.quarantined", {"because": "x"}), (), {"quarantined"}),
    (of("artifact.quarantined", {"because": "by ana", "release": "shop-1"}), (), set()),
    (of("gates.judged", {"gates": [{"because": "the policy broke: x"}]}), (), {"policy_broke"}),
    (of("gates.judged", {"gates": [{"because": "approved"}]}), (), set()),
    (of("place.astray", {}), (), {"drift"}),
    (of("place.mended", {}), (), {"drift"}),
    (of("push.refused", {}), (), {"push_refused"}),
    (of("release.released", {}), (), set()),
    (of("release.created", {}), (), set()),
    (of("alert.fired", {}), (), set()),
]


@pytest.mark.parametrize(("event", "earlier", "rules"), CASES)
def test_each_event_is_the_symptom_of_the_table(
    event: Event, earlier: tuple[Event, ...], rules: set[str]
) -> None:
    found = sources.read(event, earlier)
    assert {s.rule for s in found.symptoms} == rules
    for symptom in found.symptoms:
        assert (symptom.service, symptom.at) == ("shop", 7.0)
        assert symptom.summary
        assert symptom.rule in BY_RULE


def test_every_end_is_of_a_known_rule() -> None:
    ended = {r for e, earlier, _ in CASES for end in sources.read(e, earlier).ends
             for r in end.rules}  # fmt: skip
    assert ended <= set(BY_RULE)
    begun = {r for _, _, rules in CASES for r in rules}
    assert begun <= ended, "what an event begins, another one ends"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(sorted(sources.KINDS)),
    data=st.dictionaries(
        st.sampled_from(["because", "gates", "outcome", "to", "code", "share", "stable"]), JSON
    ),
)
def test_no_data_breaks_the_reader(kind: str, data: dict[str, Any]) -> None:
    sources.read(of(kind, data), ())
