"""What headway.yaml says, resolved: one frozen tree per service, defaults filled in, units gone.

Durations are seconds, sizes bytes, shares and growths fractions of 1 (5% is 0.05).
"""

from dataclasses import field
from typing import Literal

from headway.model.job_settings import JobSettings
from headway.model.pace import STANDARD, Pace
from headway.record import dataclass

Strategy = Literal["canary", "blue-green", "rolling", "shadow"]
InsufficientData = Literal["hold", "extend", "promote_unproven", "ask"]
By = Literal["route", "region", "tenant", "instance"]
Tier = Literal["development", "staging", "production"]


@dataclass(frozen=True, slots=True)
class Run:
    """How one instance is started. `path` is the working directory inside the artifact."""

    command: str
    instances: int = 2
    cpu: float | None = None
    memory_bytes: int | None = None
    stop_grace_seconds: float = 30.0
    stop_signal: Literal["TERM", "INT", "QUIT"] = "TERM"
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Readiness by HTTP `path` or by `command` (exit 0). `live` is asked while it serves."""

    path: str | None = "/health"
    live: str | None = None
    command: str | None = None
    interval_seconds: float = 1.0
    timeout_seconds: float = 2.0
    ready_within_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where users come in, and what keeps one user on one version."""

    host: str | None = None
    port: int | None = None
    sticky_header: str | None = None
    sticky_cookie: str | None = None
    tester_header: str = "x-headway-release"


@dataclass(frozen=True, slots=True)
class HttpTest:
    """One request and what its answer must be. `json` is the request body as JSON text."""

    path: str
    method: str = "GET"
    json: str | None = None
    status: int = 200
    contains: str | None = None
    within_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class WorkflowTest:
    """A workflow file run against the environment's address (`inputs.url`)."""

    workflow: str


@dataclass(frozen=True, slots=True)
class Journey:
    """A user's way through the service, played again and again while a canary runs: a program of
    the repository that gets the address and exits 0 if all went well.
    """

    file: str


@dataclass(frozen=True, slots=True)
class ContractTest:
    """The recorded contracts of the consumers that are in the environment, replayed.

    `provider`: its name in the contracts (None: the service's). `states`: the path that is told
    which state to set up.
    """

    provider: str | None = None
    states: str | None = None


@dataclass(frozen=True, slots=True)
class Tests:
    """The tests of an environment, HTTP first, each kind in the order written."""

    http: tuple[HttpTest, ...] = ()
    workflows: tuple[WorkflowTest, ...] = ()
    journeys: tuple[Journey, ...] = ()
    contracts: tuple[ContractTest, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """Who may approve (empty: anybody), how many are needed, and for how long an approval holds."""

    count: int = 1
    by: tuple[str, ...] = ()
    expires_seconds: float = 86400.0
    not_author: bool = True


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that the service names itself, from the metric source `source`.

    `ratio`: `bad` of `total`, two counters. `count`: the counter `metric`, against the requests of
    each version. `value`: the gauge `metric`. `margin`: tolerated relative growth of what is bad
    (0.1 is +10 %); `weight`: beside the other own signals; 0: bet on, but not needed for a PASS.
    `version`: the label that holds the release's name, digest or commit.
    """

    name: str
    kind: Literal["ratio", "count", "value"]
    source: str
    metric: str
    total: str = ""
    better: Literal["higher", "lower"] = "lower"
    margin: float = 0.10
    weight: int = 1
    version: str = "release"


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the judge tolerates (margins), how sure it must be, and how fast it may go (pace).

    `latency_above`, `latency_ms`: points of the latency distribution that are judged besides those
    that the judge chooses: by the share of slower requests (p95 is 0.05), and in milliseconds.
    `by`: labels by which own signals are compared part by part. `baseline`: who the candidate is
    compared with where no stable version runs beside it.
    """

    errors_absolute: float = 0.001
    errors_relative: float = 0.5
    latency_relative: float = 0.10
    latency_above: tuple[float, ...] = ()
    latency_ms: tuple[float, ...] = ()
    confidence: float = 0.99
    insufficient_data: InsufficientData = "hold"
    pace: Pace = STANDARD
    signals: tuple[Signal, ...] = ()
    by: tuple[By, ...] = ()
    baseline: Literal["stable", "snapshot"] = "stable"


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """A share of traffic and its least bake time; None means the pace's floor for that step.

    `mirror`: the share of requests that are copied to the candidate; then `share` is 0 and no user
    gets its answers.
    """

    share: float
    bake_seconds: float | None = None
    approvals: int = 0
    mirror: float = 0.0


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """How users are moved. Counts of `max_*` are instances, already rounded from percentages."""

    strategy: Strategy = "canary"
    steps: tuple[StepPolicy, ...] = (
        StepPolicy(0.05),
        StepPolicy(0.25),
        StepPolicy(0.5),
        StepPolicy(1.0),
    )
    holdback: float = 0.10
    bake_seconds: float = 300.0
    keep_old_seconds: float = 1800.0
    max_surge: int = 1
    max_unavailable: int = 0
    stability_seconds: float = 600.0
    deadline_seconds: float = 7200.0
    on_fail: Literal["rollback", "hold"] = "rollback"
    mirror: float = 1.0
    mirror_bake_seconds: float = 900.0
    ignore_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorBudgetGate:
    """A release may start while more than `left` of every SLO's error budget is left (0 to 1).

    `then`: below it nothing starts (hold), one release an hour (throttle), or only fixes and
    rollbacks (fixes_only). A running rollout is paused once it has burnt the part `pause` of what
    was left when it began.
    """

    left: float
    then: Literal["hold", "throttle", "fixes_only"] = "fixes_only"
    pause: float = 0.5


@dataclass(frozen=True, slots=True)
class SloGate:
    """Every SLO must have been met over the last `within_seconds`."""

    within_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class BurnRateGate:
    """The error budget must burn slower than `below` times the sustainable rate."""

    below: float
    over_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Train:
    """Releases wait for the next moment of `schedule` (cron, in the IANA zone `zone`) and leave
    together. `name`: services with the same name share one; "": the service's own. `order`: of
    services; empty: all at once.
    """

    schedule: str
    zone: str = "UTC"
    name: str = ""
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """One place on the path with everything merged into it: nothing else needs to be looked up.

    `checks`: must be green for the commit: `JOB` or `CALLER / JOB` of its pipeline, `FILE` or
    `FILE/JOB` of a server's run. `branches`: one of them must have the commit (empty: any may).
    """

    name: str
    tier: Tier
    run: Run
    health: Health = Health()
    env: dict[str, str] = field(default_factory=dict)
    rollout: RolloutPolicy = RolloutPolicy()
    analysis: Analysis = Analysis()
    traffic: Traffic = Traffic()
    tests: Tests = Tests()
    approval: ApprovalPolicy | None = None
    auto: bool = True
    after: tuple[str, ...] = ()
    queue: Literal["latest", "every"] = "latest"
    train: Train | None = None
    target: str = "local"
    error_budget: ErrorBudgetGate | None = None
    slo: SloGate | None = None
    burn_rate: BurnRateGate | None = None
    checks: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BurnAlert:
    """An alert condition of an OpenSLO file: burning faster than `factor` over `over_seconds`, for
    `after_seconds` on end. `or_equal`: at the factor, too.
    """

    name: str
    severity: Literal["page", "ticket"]
    factor: float
    over_seconds: float
    after_seconds: float = 0.0
    or_equal: bool = False


@dataclass(frozen=True, slots=True)
class Slo:
    """A goal for users. `target`: share of good requests, 0 to 1; `under_seconds`: for latency.

    `calendar` empty: the window rolls over the last `window_seconds`; else it begins with each day,
    week … of `zone`. `source` empty: the proxy's own counts; else `bad` (or `good`) of `total` are
    counters of that metric source.
    `conditions`: alerts beside the usual ones.
    """

    name: str
    sli: Literal["availability", "latency"] = "availability"
    target: float = 0.999
    under_seconds: float | None = None
    window_seconds: float = 30 * 86400.0
    calendar: Literal["", "day", "week", "month", "quarter", "year"] = ""
    zone: str = "UTC"
    route: str | None = None
    source: str = ""
    bad: str = ""
    good: str = ""
    total: str = ""
    openslo: str | None = None
    conditions: tuple[BurnAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class Composite:
    """An alert that is raised only while all the symptoms (rules) it names last."""

    name: str
    all: tuple[str, ...]
    severity: Literal["page", "ticket"] = "page"


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """Who is told. Channels are `slack/NAME`, `webhook/NAME`, `email/NAME`, `alertmanager/NAME`."""

    page: tuple[str, ...] = ()
    ticket: tuple[str, ...] = ()
    escalate_after_seconds: float = 900.0
    escalate_to: tuple[str, ...] = ()
    runbook: str = ""
    changelog: str = ""
    composites: tuple[Composite, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One headway.yaml. `environments` is the path, in promotion order. `jobs`: by name, as written
    under `pipeline.jobs`. `builders`: URIs of who else may build its artifacts.
    `folder`: in a workspace, where it is; `watch`: paths whose change affects it.
    """

    name: str
    environments: tuple[Environment, ...]
    owner: str | None = None
    kind: Literal["web", "worker"] = "web"
    description: str = ""
    workflow: str = ".github/workflows/deliver.yml"
    branch: str = "main"
    artifact_from: str | None = None
    artifact_kind: str = "archive"
    builders: tuple[str, ...] = ()
    folder: str = ""
    watch: tuple[str, ...] = ()
    slos: tuple[Slo, ...] = ()
    alerts: AlertPolicy = AlertPolicy()
    jobs: dict[str, JobSettings] = field(default_factory=dict)

    def environment(self, name: str) -> Environment:
        """The environment of that name. Raises KeyError."""
        return {e.name: e for e in self.environments}[name]
