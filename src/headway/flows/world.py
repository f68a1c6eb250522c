"""Everything a flow may touch, built once by wiring. The flows' only way to the outside."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from headway.flows.journal import Outbox
from headway.flows.pipeline_bench import Bench
from headway.ports.artifact_registry import ArtifactRegistry
from headway.ports.artifact_store import ArtifactStore
from headway.ports.clock import Clock
from headway.ports.journey_player import JourneyPlayer
from headway.ports.metric_source import MetricSource
from headway.ports.notifier import Notifier
from headway.ports.policy_engine import PolicyEngine
from headway.ports.probe import Probe
from headway.ports.repositories import Repositories
from headway.ports.shadow_differ import ShadowDiffer
from headway.ports.signer import Signer
from headway.ports.source_host import SourceHost
from headway.ports.status_sink import StatusSink
from headway.ports.target import Target
from headway.ports.traffic_meter import TrafficMeter
from headway.ports.traffic_router import TrafficRouter
from headway.store.database import Tx

Transactions = Callable[[], AbstractContextManager[Tx]]


@dataclass(frozen=True, slots=True)
class World:
    """`builder` is the URI that provenance names; `home` is where unpacked artifacts live.

    `bench` is where pipelines run; `tx` opens a transaction, for what is told while one runs.
    `sources`, `notifiers`, `sinks` and `registries` give the outside system of a connection's name;
    they raise Invalid (`unknown-connection`).
    """

    home: Path
    builder: str
    source: SourceHost
    bench: Bench
    tx: Transactions
    artifacts: ArtifactStore
    signer: Signer
    targets: Mapping[str, Target]
    router: TrafficRouter
    meter: TrafficMeter
    probe: Probe
    outbox: Outbox
    clock: Clock
    sources: Callable[[str], MetricSource]
    notifiers: Callable[[str], Notifier]
    differ: ShadowDiffer
    player: JourneyPlayer
    repositories: Repositories
    sinks: Callable[[str], StatusSink]
    registries: Callable[[str], ArtifactRegistry]
    policies: tuple[PolicyEngine, ...] = ()
