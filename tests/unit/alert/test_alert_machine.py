"""The life of alerts under anything that can happen in any order."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from headway.alert import routes, state
from headway.alert.state import FLAP_SECONDS, NEVER, Member, Quiet, Tell, Trouble
from headway.model.alert import Symptom
from headway.model.service import AlertPolicy

POLICY = AlertPolicy(
    page=("slack/p",), ticket=("slack/t",), escalate_after_seconds=900.0, escalate_to=("slack/e",)
)
RULES = ("slo_burn", "rollout_failed", "metrics_missing")
RELEASES = ("shop-1", "shop-2")


@dataclass
class Office:
    """What flows/alerting does with the machine, in memory."""

    now: float = 1000.0
    windows: list[Quiet] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    told: list[tuple[str, Tell, str]] = field(default_factory=list)

    def opened(self, key: str) -> Trouble | None:
        found = [t for t in self.troubles if t.alert.key == key and t.alert.state != "resolved"]
        assert len(found) <= 1
        return found[0] if found else None

    def put(self, trouble: Trouble, tells: tuple[Tell, ...]) -> None:
        self.told += [(trouble.alert.id, t, trouble.alert.severity) for t in tells]
        others = [t for t in self.troubles if t.alert.id != trouble.alert.id]
        self.troubles = [*others, trouble]

    def settle(self, trouble: Trouble) -> None:
        self.put(*state.settle(trouble, self.windows, POLICY, self.now))

    def symptom(self, rule: str, release: str, *, over: bool) -> None:
        told = Symptom(rule, "shop", "production", rule, self.now, release=release, over=over)
        known = self.opened(state.key(told))
        if over:
            if known:
                self.settle(state.ended(known, {rule}, self.now))
            return
        severity = routes.severity(told, POLICY, "production")
        assert severity
        confirm = routes.confirm_seconds(rule)
        member = Member(rule, severity, rule, self.now, self.now, confirm)
        new = f"alr_{len(self.troubles)}"
        self.settle(state.join(known, told, member) if known else state.begin(new, told, member))

    def pass_time(self, seconds: float) -> None:
        """Only when the machine asked to be looked at, it is."""
        end = self.now + seconds
        while True:
            times = [
                state.wake_at(t, self.windows, POLICY, self.now)
                for t in self.troubles
                if t.alert.state != "resolved"
            ]
            nearest = min(times, default=NEVER)
            if nearest > end:
                break
            self.now = nearest
            for trouble in self.troubles:
                self.settle(trouble)
        self.now = end

    def lasting(self, trouble: Trouble) -> list[Member]:
        return [m for m in trouble.members if not m.over]

    def muted(self, trouble: Trouble, member: Member) -> bool:
        return any(state.covers(w, trouble.alert, member.rule, self.now) for w in self.windows)


class Life(RuleBasedStateMachine):
    """Every order of symptoms, ends, windows, words of people and time."""

    windows = Bundle("windows")

    def __init__(self) -> None:
        super().__init__()
        self.office = Office()

    @rule(rule=st.sampled_from(RULES), release=st.sampled_from(RELEASES), over=st.booleans())
    def symptom(self, rule: str, release: str, over: bool) -> None:
        self.office.symptom(rule, release, over=over)

    @rule(seconds=st.sampled_from([1.0, 59.0, 61.0, 299.0, 301.0, 901.0, 5 * 3600.0]))
    def pass_time(self, seconds: float) -> None:
        self.office.pass_time(seconds)

    @rule(
        name=st.sampled_from(["", *RULES]),
        delay=st.sampled_from([0.0, 100.0]),
        length=st.sampled_from([30.0, 400.0, 7200.0]),
    )
    def suppress(self, name: str, delay: float, length: float) -> None:
        office = self.office
        begins = office.now + delay
        id = f"sup_{len(office.windows)}"
        window = Quiet(id, "shop", "", name, begins, begins + length, "r", "ana")
        office.windows.append(window)
        for trouble in office.troubles:
            office.settle(trouble)

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        if self.office.troubles:
            chosen = data.draw(st.sampled_from(self.office.troubles))
            self.office.put(*state.acknowledge(chosen, "ana", self.office.now))

    @rule(data=st.data())
    def resolve(self, data: st.DataObject) -> None:
        if self.office.troubles:
            chosen = data.draw(st.sampled_from(self.office.troubles))
            self.office.put(*state.resolve(chosen, self.office.now, "ana"))

    @invariant()
    def never_two_open_alerts_of_one_trouble(self) -> None:
        opened = [t.alert.key for t in self.office.troubles if t.alert.state != "resolved"]
        assert len(opened) == len(set(opened))

    @invariant()
    def nothing_is_told_twice(self) -> None:
        whats = Counter((id, t.what, severity) for id, t, severity in self.office.told)
        for (_, what, severity), times in whats.items():
            if what in {"fired", "resolved", "escalated"}:
                assert times == 1, (what, severity)
        numbers = [(id, t.number) for id, t, _ in self.office.told]
        assert len(numbers) == len(set(numbers))

    @invariant()
    def a_page_that_lasts_and_is_not_suppressed_was_told_as_a_page(self) -> None:
        for trouble in self.office.troubles:
            if trouble.alert.state == "resolved":
                continue
            for member in self.office.lasting(trouble):
                confirmed = self.office.now - member.began >= member.confirm_seconds
                if confirmed and not self.office.muted(trouble, member):
                    assert trouble.told_as == "page" or member.severity == "ticket"
                    assert trouble.told_as
                    assert trouble.alert.state in {"firing", "acknowledged"}

    @invariant()
    def what_is_over_is_resolved_after_the_flap_time(self) -> None:
        for trouble in self.office.troubles:
            if trouble.alert.state != "resolved" and not self.office.lasting(trouble):
                ended = max(m.over for m in trouble.members)
                assert self.office.now - ended < FLAP_SECONDS

    @invariant()
    def nobody_is_escalated_to_after_an_acknowledgement(self) -> None:
        for trouble in self.office.troubles:
            alert = trouble.alert
            if alert.acknowledged and alert.escalated and alert.told < alert.acknowledged:
                assert alert.escalated <= alert.acknowledged

    @invariant()
    def asking_again_says_nothing_new(self) -> None:
        for trouble in self.office.troubles:
            _, tells = state.settle(trouble, self.office.windows, POLICY, self.office.now)
            assert tells == ()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.seed("S-216")
def test_a_hundred_symptoms_of_one_deploy_are_one_page() -> None:
    office = Office()
    for n in range(100):
        office.pass_time(1.0)
        office.symptom(("slo_burn", "outage", "rollout_failed")[n % 3], "shop-2", over=False)
    (trouble,) = office.troubles
    assert trouble.alert.count == 100
    assert [t.what for _, t, _ in office.told] == ["fired"]


def test_the_cause_groups_over_the_release() -> None:
    one = Symptom("a", "shop", "production", "", 0.0, release="shop-1", cause="db")
    two = Symptom("b", "shop", "production", "", 0.0, release="shop-2", cause="db")
    assert state.key(one) == state.key(two)
    other = Symptom("b", "shop", "staging", "", 0.0, release="shop-2", cause="db")
    assert state.key(two) != state.key(other)


def test_what_comes_back_within_five_minutes_is_the_same_alert() -> None:
    office = Office()
    office.symptom("slo_burn", "shop-2", over=False)
    for _ in range(5):
        office.pass_time(60.0)
        office.symptom("slo_burn", "shop-2", over=True)
        office.pass_time(FLAP_SECONDS - 1)
        office.symptom("slo_burn", "shop-2", over=False)
    assert [t.what for _, t, _ in office.told if t.what != "escalated"] == ["fired"]
    office.symptom("slo_burn", "shop-2", over=True)
    office.pass_time(FLAP_SECONDS)
    assert [t.what for _, t, _ in office.told][-1] == "resolved"
    office.symptom("slo_burn", "shop-2", over=False)
    assert len(office.troubles) == 2


@pytest.mark.seed("S-221")
def test_a_page_that_nobody_acknowledges_is_escalated_once_and_then_repeated() -> None:
    office = Office()
    office.symptom("slo_burn", "shop-2", over=False)
    office.pass_time(899.0)
    assert [t.what for _, t, _ in office.told] == ["fired"]
    office.pass_time(2.0)
    assert [t.what for _, t, _ in office.told] == ["fired", "escalated"]
    office.pass_time(9 * 3600.0)
    whats = [t.what for _, t, _ in office.told]
    assert whats == ["fired", "escalated", "reminded", "reminded"]
    office.put(*state.acknowledge(office.troubles[0], "ana", office.now))
    office.pass_time(24 * 3600.0)
    assert [t.what for _, t, _ in office.told] == [*whats, "acknowledged"]


def test_an_acknowledged_ticket_that_becomes_a_page_is_told_anew() -> None:
    office = Office()
    office.symptom("rollout_failed", "shop-2", over=False)
    office.put(*state.acknowledge(office.troubles[0], "ana", office.now))
    office.symptom("slo_burn", "shop-2", over=False)
    (trouble,) = office.troubles
    assert (trouble.alert.severity, trouble.alert.state) == ("page", "firing")
    assert [(t.what, s) for _, t, s in office.told] == [
        ("fired", "ticket"), ("acknowledged", "ticket"), ("fired", "page"),
    ]  # fmt: skip


def test_a_ticket_is_neither_escalated_nor_repeated() -> None:
    office = Office()
    office.symptom("rollout_failed", "shop-2", over=False)
    office.pass_time(48 * 3600.0)
    assert [t.what for _, t, _ in office.told] == ["fired"]


@pytest.mark.seed("S-076", "S-217")
def test_a_window_ends_by_itself_and_what_outlasts_it_is_told() -> None:
    office = Office(windows=[Quiet("sup_1", "shop", "", "", 0.0, 4600.0, "r", "ana")])
    office.symptom("slo_burn", "shop-2", over=False)
    office.symptom("slo_burn", "shop-1", over=False)
    office.symptom("slo_burn", "shop-1", over=True)
    office.pass_time(3599.0)
    assert [t.what for _, t, _ in office.told if t.what != "resolved"] == ["suppressed"] * 2
    office.pass_time(1.0)
    told = [(id, t.what) for id, t, _ in office.told if t.what == "fired"]
    assert told == [("alr_0", "fired")]


def test_what_heals_before_it_is_confirmed_is_never_told() -> None:
    office = Office()
    office.symptom("metrics_missing", "shop-2", over=False)
    office.pass_time(59.0)
    office.symptom("metrics_missing", "shop-2", over=True)
    office.pass_time(600.0)
    assert office.troubles[0].told_as == ""
    office.symptom("metrics_missing", "shop-2", over=False)
    office.pass_time(60.0)
    assert office.troubles[-1].told_as == "ticket"


def test_what_comes_back_is_confirmed_anew() -> None:
    office = Office()
    office.symptom("metrics_missing", "shop-2", over=False)
    office.pass_time(10.0)
    office.symptom("metrics_missing", "shop-2", over=True)
    office.pass_time(60.0)
    office.symptom("metrics_missing", "shop-2", over=False)
    assert office.troubles[0].told_as == ""
    office.pass_time(60.0)
    assert office.troubles[0].told_as == "ticket"


def test_a_ticket_acknowledged_before_it_became_a_page_is_escalated() -> None:
    office = Office()
    office.symptom("rollout_failed", "shop-2", over=False)
    office.put(*state.acknowledge(office.troubles[0], "ana", office.now))
    office.symptom("slo_burn", "shop-2", over=False)
    office.pass_time(901.0)
    assert office.told[-1][1].what == "escalated"


def test_an_acknowledgement_counts_once() -> None:
    office = Office()
    office.symptom("slo_burn", "shop-2", over=False)
    office.put(*state.acknowledge(office.troubles[0], "ana", office.now))
    office.put(*state.acknowledge(office.troubles[0], "bo", office.now))
    assert [t.what for _, t, _ in office.told] == ["fired", "acknowledged"]
    assert office.troubles[0].alert.by == "ana"


@pytest.mark.parametrize(
    ("window", "covered"),
    [
        (Quiet("s", "shop", "", "", 0.0, 10.0, "", ""), True),
        (Quiet("s", "shop", "production", "slo_burn", 0.0, 10.0, "", ""), True),
        (Quiet("s", "shop", "staging", "", 0.0, 10.0, "", ""), False),
        (Quiet("s", "shop", "", "drift", 0.0, 10.0, "", ""), False),
        (Quiet("s", "cart", "", "", 0.0, 10.0, "", ""), False),
        (Quiet("s", "shop", "", "", 6.0, 10.0, "", ""), False),
        (Quiet("s", "shop", "", "", 0.0, 5.0, "", ""), False),
    ],
)
def test_a_window_covers_exactly_what_it_says(window: Quiet, *, covered: bool) -> None:
    symptom = Symptom("slo_burn", "shop", "production", "", 0.0)
    alert = state.begin("alr_1", symptom, Member("slo_burn", "page", "", 0.0, 0.0)).alert
    assert state.covers(window, alert, "slo_burn", 5.0) is covered
