"""The door of an environment: gates, its turn, and the proof that the artifact is what was built.

Called by flows/deliver.py before each rollout. A gate is asked again whenever somebody writes;
WAIT waits, FAIL refuses, and an older release never overtakes a newer one.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.artifact.admission import Attested, Expected
from headway.artifact.admission import judge as judge_admission
from headway.flows import budgets, commit_rules, line, train
from headway.flows.journal import Journal
from headway.flows.trip import Stopped, Trip
from headway.flows.world import World
from headway.gate import approval, quarantine
from headway.gate import line as line_gate
from headway.gate.error_budget import Asked as AskedBudget
from headway.model.delivery import Delivery
from headway.model.errors import Refused
from headway.model.event import Fact
from headway.model.service import Service
from headway.model.verdict import Outcome, Verdict, worst
from headway.ports.policy_engine import PolicyEngine, Promotion
from headway.store import decisions, records
from headway.store.database import Tx
from headway.store.log import append
from headway.store.tables import deliveries

ASK_AGAIN_SECONDS = 60.0
TURN_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the gates said. `overtaken` names a newer release that was here first, `cancelled`
    who ended the delivery. `again_seconds`: when to ask again at the latest.
    """

    verdict: Verdict
    overtaken: str = ""
    cancelled: str = ""
    again_seconds: float = ASK_AGAIN_SECONDS


def admit(journal: Journal, world: World, trip: Trip) -> None:
    """Returns when the release may start here and holds the place.

    Raises Refused (gate, signature), Stopped (superseded, cancelled, rejected).
    """
    while True:
        rules = journal.act("policies", ask_policies, world, trip)
        asked = journal.commit("gates", ask_gates, world, trip, rules)
        if asked.cancelled:
            raise Stopped("cancelled", asked.cancelled)
        if asked.overtaken:
            raise Stopped("superseded", f"superseded by {asked.overtaken}")
        if asked.verdict.outcome is Outcome.FAIL:
            raise Refused(
                f"{trip.release.name} may not enter {trip.environment.name}",
                why=asked.verdict.because,
                next=f"headway plan --env {trip.environment.name}",
                code=asked.verdict.judge,
            )
        if asked.verdict.outcome is Outcome.PASS:
            break
        # Nobody wakes a delivery when the place it waits for becomes free.
        journal.wait(asked.again_seconds)
    verdict = journal.act("verify artifact", verify, world, trip)
    journal.commit("artifact verified", verified, trip, verdict)
    if verdict.outcome is not Outcome.PASS:
        raise Refused(
            f"{trip.release.name} is refused in {trip.environment.name}",
            why=verdict.because,
            next=f"headway verify {trip.release.digest} --env {trip.environment.name}",
            code=verdict.judge,
        )


def ask_policies(world: World, trip: Trip) -> tuple[Verdict, ...]:
    """Every policy's own words, one that breaks is a FAIL; then what is asked of the commit."""
    release, environment = trip.release, trip.environment
    asked = Promotion(
        release.service,
        release.name,
        release.digest,
        release.sha,
        release.author,
        environment.name,
        environment.tier,
    )
    answers = tuple(_answer(policy, asked) for policy in world.policies)
    return (*answers, *_commit(world, trip))


def _commit(world: World, trip: Trip) -> tuple[Verdict, ...]:
    """Back to what was released here before is not asked again: that way must be open."""
    release = trip.release
    entry = commit_rules.Entry(
        release.config, trip.environment, trip.repo, release.sha, release.name, release.delivery
    )
    with world.tx() as tx:
        known = decisions.released_here(tx.connection, release.service, entry.environment.name)
        if trip.back and release.name in known:
            return ()
        facts = commit_rules.facts(tx.connection, entry)
    return commit_rules.verdicts(world, entry, facts)


def _answer(policy: PolicyEngine, asked: Promotion) -> Verdict:
    try:
        return policy.judge(asked)
    except Exception as broken:  # noqa: BLE001 somebody else's code: whatever it raises is a no
        because = f"the policy broke: {type(broken).__name__}: {broken}"
        return Verdict("policy", Outcome.FAIL, because)


def ask_gates(tx: Tx, world: World, trip: Trip, rules: tuple[Verdict, ...]) -> Asked:
    """All gates in one transaction; with PASS the place is taken in the same one."""
    release, environment = trip.release, trip.environment
    started, cancelled = _words(tx, trip)
    if cancelled:
        return Asked(Verdict("person", Outcome.FAIL, cancelled), cancelled=cancelled)
    overtaken, again = "" if trip.back else _overtaken(tx, trip), ASK_AGAIN_SECONDS
    verdicts = [
        *rules,
        quarantine.judge(
            decisions.quarantined(tx.connection, release.digest, release.service, environment.name),
            environment.name,
        ),
    ]
    if not line.is_way_back(tx.connection, trip):
        verdicts.append(line_gate.judge(line.current(tx, line.at(trip))))
    if not trip.back:
        given = decisions.approvals(tx.connection, release.digest, environment.name)
        verdicts.append(approval.judge(environment.approval, given, release.author, tx.now))
        verdicts.append(_auto(trip, started=started))
        verdicts += _budgets(tx, trip)
        leaving = train.ask(tx, world, trip, worst(verdicts))
        verdicts.append(leaving.verdict)
        overtaken, again = overtaken or leaving.overtaken, leaving.again_seconds
    verdict = worst(verdicts)
    if verdict.outcome is Outcome.PASS and not overtaken:
        verdict, again = worst([verdict, _turn(tx, world, trip)]), TURN_SECONDS
    if _tell(tx, trip, verdict, verdicts):
        _wake_older(tx, world, trip)
    return Asked(verdict, overtaken, "", min(again or ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS))


def _budgets(tx: Tx, trip: Trip) -> list[Verdict]:
    """What is left of the error budgets here, and how fast it goes."""
    release, environment = trip.release, trip.environment
    asked = AskedBudget(
        records.delivery(tx.connection, trip.delivery).subject,
        bool(records.place(tx.connection, release.service, environment.name).stable),
        budgets.since_last(tx.connection, release.service, environment.name, trip.delivery, tx.now),
    )
    return budgets.verdicts(tx.connection, release.config, environment, asked, tx.now)


def _words(tx: Tx, trip: Trip) -> tuple[bool, str]:
    """Take what people said to this delivery here: whether it may start, and who cancelled it."""
    started, cancelled = (
        decisions.was_started(tx.connection, trip.delivery, trip.environment.name),
        "",
    )
    for word in records.take_commands(tx, trip.delivery, trip.environment.name):
        data: dict[str, object] = {"by": word.by, "reason": word.reason}
        append(tx, trip.about, Fact(f"delivery.{word.verb}", trip.delivery, word.seq, data))
        started = started or word.verb in {"start", "hotfix"}
        if word.verb in {"cancel", "abort"}:
            cancelled = f"cancelled by {word.by}: {word.reason}"
    return started, cancelled


def _auto(trip: Trip, *, started: bool) -> Verdict:
    name, release = trip.environment.name, trip.release.name
    if trip.environment.auto or started:
        return Verdict("auto", Outcome.PASS, "starts by itself")
    because = f"waits for somebody: headway release start {release} --env {name}"
    return Verdict("auto", Outcome.WAIT, because)


def _overtaken(tx: Tx, trip: Trip) -> str:
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    for name in (place.stable, place.candidate):
        if name and records.release(tx.connection, name).number > trip.release.number:
            return name
    if trip.environment.queue == "every" or train.left(tx, trip):
        return ""
    newer = [d for number, d in _waiting(tx, trip) if number > trip.release.number]
    return max(newer, key=lambda d: d.requested_at).release if newer else ""


def _wake_older(tx: Tx, world: World, trip: Trip) -> None:
    """Those that wait here with an older release see that they are superseded."""
    for number, delivery in _waiting(tx, trip):
        if number < trip.release.number:
            world.outbox.wake(tx, delivery.id)


def _waiting(tx: Tx, trip: Trip) -> list[tuple[int, Delivery]]:
    """Other deliveries of the service that wait at this door, with their releases' numbers."""
    rows = tx.connection.execute(
        sa.select(deliveries).where(
            deliveries.c.service == trip.release.service,
            deliveries.c.environment == trip.environment.name,
            deliveries.c.state.in_(["waiting", "queued"]),
            deliveries.c.id != trip.delivery,
        )
    )
    found = [Delivery(**r._mapping) for r in rows]
    return [(records.release(tx.connection, d.release).number, d) for d in found if d.release]


def _turn(tx: Tx, world: World, trip: Trip) -> Verdict:
    """One rollout per service and environment: take the place or wait for it."""
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    if place.holder in {"", trip.delivery}:
        records.put_place(tx, records.changed(place, holder=trip.delivery))
        return Verdict("turn", Outcome.PASS, "nothing else is rolling out here")
    world.outbox.wake(tx, place.holder)
    because = f"{place.candidate or place.holder} is rolling out; this one is next"
    return Verdict("turn", Outcome.WAIT, because)


def _tell(tx: Tx, trip: Trip, verdict: Verdict, verdicts: list[Verdict]) -> bool:
    """Write what the gates said; gives whether that is news."""
    waits = verdict.outcome is Outcome.WAIT
    state = ("queued" if verdict.judge == "turn" else "waiting") if waits else "delivering"
    before = records.delivery(tx.connection, trip.delivery)
    records.update_delivery(
        tx,
        trip.delivery,
        state=state,
        environment=trip.environment.name,
        because=verdict.because if waits else "",
    )
    told = (before.state, before.environment, before.because)
    if waits and told == (state, trip.environment.name, verdict.because):
        return False
    data: dict[str, object] = {
        "outcome": str(verdict.outcome),
        "judge": verdict.judge,
        "because": verdict.because,
        "gates": [
            {"judge": v.judge, "outcome": str(v.outcome), "because": v.because} for v in verdicts
        ],
    }
    number = decisions.count(tx.connection, trip.delivery, "gates.judged")
    append(tx, trip.about, Fact("gates.judged", trip.delivery, number, data))
    return True


def verify(world: World, trip: Trip) -> Verdict:
    """Signature, subject digest and provenance of what is about to run, from the blobs up."""
    return admission(world, trip.repo, trip.release.digest, trip.release.sha, trip.release.config)


def admission(world: World, repo: str, digest: str, sha: str, service: Service) -> Verdict:
    """Whether the artifact is what was built from that commit, here or by a builder that the
    service names.
    """
    artifact = world.artifacts.verify(digest)
    attested, refused = attestations(world, digest)
    if refused and not attested:
        return Verdict("signature", Outcome.FAIL, refused[0])
    expected = Expected(
        repository=repo,
        commit=sha,
        workflow=service.workflow,
        builders=(world.builder,),
        elsewhere=service.builders,
        also=(artifact.archive,) if artifact.archive else (),
    )
    return judge_admission(digest, attested, expected)


def attestations(world: World, digest: str) -> tuple[tuple[Attested, ...], list[str]]:
    """Statements about the artifact that a trusted key signed, and why others do not count."""
    attested, refused = [], []
    for envelope in world.artifacts.attached(digest):
        try:
            keyid = world.signer.verify(envelope)
        except Refused as error:
            refused.append(str(error))
            continue
        speaks_for = world.signer.speaks_for(keyid)
        attested.append(Attested(keyid, envelope.payload_type, envelope.payload, speaks_for))
    return tuple(attested), refused


def verified(tx: Tx, trip: Trip, verdict: Verdict) -> None:
    """Admission is a fact, also when it is refused."""
    data: dict[str, object] = {
        "outcome": str(verdict.outcome),
        "judge": verdict.judge,
        "because": verdict.because,
        "digest": trip.release.digest,
    }
    number = decisions.count(tx.connection, trip.delivery, "artifact.verified")
    append(tx, trip.about, Fact("artifact.verified", trip.delivery, number, data))
    if verdict.outcome is not Outcome.PASS:
        release_place(tx, trip)


def release_place(tx: Tx, trip: Trip) -> None:
    """Somebody else may start here."""
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    if place.holder == trip.delivery:
        records.put_place(tx, records.changed(place, holder=""))
