"""Contracts of consumers against a deployed provider: replayed, judged, recorded as evidence.

Called by flows/smoke (a test of an environment: contracts of the consumer versions that are there)
and by `headway contract verify`. What a consumer of the environment cannot read stops the delivery.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from headway.contract import matching, reader
from headway.contract.interaction import Asked, Contract, Got, Interaction, Mismatch, State
from headway.flows.journal import Journal
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.model.errors import Failed
from headway.model.event import Fact
from headway.model.service import ContractTest
from headway.ports.probe import Call, Probe
from headway.store import contracts, decisions
from headway.store.database import Tx
from headway.store.log import append

SECONDS = 10.0
MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Provider:
    """Where the provider answers. `states`: an address that sets states up, with its path; empty:
    there is none. `headers` go with every request.
    """

    address: str
    states: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """An interaction that the provider does not keep, and everything that differed."""

    description: str
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """One contract, replayed. `pending`: broken too, but the consumer does not count on them."""

    consumer: str
    version: str
    digest: str
    interactions: int
    broken: tuple[Broken, ...] = ()
    pending: tuple[Broken, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """All contracts of an environment. `unrecorded`: consumers there without a contract."""

    verified: tuple[Verified, ...]
    unrecorded: tuple[str, ...] = ()


def check(journal: Journal, world: World, trip: Trip, address: str) -> None:
    """Every contract test of the environment. Raises Failed (`contract-broken`)."""
    for number, test in enumerate(trip.environment.tests.contracts):
        stage = journal.act(f"contracts {number}", replay_all, world, trip, test, address)
        journal.commit(f"contracts {number} replayed", told, trip, stage)
        bad = next((v for v in stage.verified if v.broken), None)
        if bad is not None:
            raise Failed(
                f"{trip.release.name} breaks the contract of {bad.consumer} {bad.version}",
                why=_why(bad),
                next=f"headway contract show {bad.consumer} --version {bad.version}",
                code="contract-broken",
            )


def replay_all(world: World, trip: Trip, test: ContractTest, address: str) -> Stage:
    """The contracts of what is in the environment now, sent to this release as a tester."""
    name = test.provider or trip.release.service
    with world.tx() as tx:
        found, unrecorded = contracts.deployed(tx.connection, name, trip.environment.name)
        files = {one.digest: contracts.text(tx.connection, one.digest) for one in found}
    traffic = trip.environment.traffic
    headers = [(traffic.tester_header, trip.release.name)]
    if traffic.host:
        headers.append(("host", traffic.host))
    states = f"{address}{test.states}" if test.states else ""
    provider = Provider(address, states, tuple(headers))
    verified = [
        replay(world.probe, provider, reader.read(files[one.digest], one.digest), one)
        for one in found
    ]
    return Stage(tuple(verified), tuple(unrecorded))


def replay(
    probe: Probe, provider: Provider, contract: Contract, of: contracts.Recorded
) -> Verified:
    """Ask the provider everything that the contract records."""
    bad = [(one, _ask(probe, provider, contract, one)) for one in contract.interactions]
    broken = [(one.pending, Broken(one.description, found)) for one, found in bad if found]
    return Verified(
        of.consumer,
        of.version,
        of.digest,
        len(contract.interactions),
        tuple(b for pending, b in broken if not pending),
        tuple(b for pending, b in broken if pending),
    )


def _ask(
    probe: Probe, provider: Provider, contract: Contract, one: Interaction
) -> tuple[Mismatch, ...]:
    for state in one.states:
        if problem := _set_up(probe, provider, contract, state):
            return (Mismatch(f"state {state.name!r}", "set up at the provider", problem),)
    reply = probe.send(provider.address, call(one.asked, provider.headers), SECONDS)
    if reply.problem:
        return (Mismatch("answer", str(one.wanted.status), reply.problem),)
    return matching.compare(one.wanted, Got(reply.status, reply.headers, reply.body))


def _set_up(probe: Probe, provider: Provider, contract: Contract, state: State) -> str:
    """Why the state is not there; empty if the provider says that it is.

    What is sent is what Pact's verifiers send: consumer, state, params, `action: setup`.
    """
    if not provider.states:
        return "no address that sets up states is known"
    address, path = _split(provider.states)
    said = {
        "consumer": contract.consumer,
        "state": state.name,
        "params": state.params,
        "action": "setup",
    }
    headers = (("content-type", "application/json"), *provider.headers)
    sent = Call("POST", path, headers, json.dumps(said).encode())
    reply = probe.send(address, sent, SECONDS)
    if reply.problem:
        return reply.problem
    return "" if 200 <= reply.status < 300 else f"status {reply.status}"


def _split(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", f"{slash}{path}" or "/"


def call(asked: Asked, headers: Iterable[tuple[str, str]] = ()) -> Call:
    """The request as it is sent."""
    target = quote(asked.path, safe="/%:@!$&'()*+,;=~-._")
    if asked.query:
        target += "?" + urlencode(asked.query)
    sent = [*asked.headers, *headers]
    body = None
    if asked.body is not None:
        is_json = asked.body.json
        text = json.dumps(asked.body.value) if is_json else str(asked.body.value)
        body = text.encode()
        if not any(name.lower() == "content-type" for name, _ in sent):
            kind = asked.body.content_type or ("application/json" if is_json else "text/plain")
            sent.append(("content-type", kind))
    return Call(asked.method, target, tuple(sent), body)


def told(tx: Tx, trip: Trip, stage: Stage) -> None:
    """What was replayed is evidence about the digest, green or red."""
    data: dict[str, object] = {
        "digest": trip.release.digest,
        "outcome": "FAIL" if any(v.broken for v in stage.verified) else "PASS",
        "contracts": [_row(v) for v in stage.verified],
        "unrecorded": list(stage.unrecorded),
    }
    number = decisions.count(tx.connection, trip.delivery, "contracts.verified")
    append(tx, trip.about, Fact("contracts.verified", trip.delivery, number, data))


def _row(one: Verified) -> dict[str, object]:
    lines = [f"{b.description}: {m}" for b in one.broken for m in b.mismatches]
    return {
        "consumer": one.consumer,
        "version": one.version,
        "contract": one.digest,
        "interactions": one.interactions,
        "broken": len(one.broken),
        "pending": len(one.pending),
        "told": lines[:MOST_TOLD],
    }


def _why(bad: Verified) -> str:
    first = bad.broken[0]
    more = len(bad.broken) - 1
    also = f"; {more} more interactions are broken" if more else ""
    return f"`{first.description}`: {first.mismatches[0]}{also}"
