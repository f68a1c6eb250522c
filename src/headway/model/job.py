"""A job of a pipeline run: what is ordered, what came of it. Plain JSON at heart.

Texts marked *template* may hold `${{ }}`. They are filled in where the job runs, because only
there are secrets and the outputs of steps known; what is filled in is never read again as one.
"""

from dataclasses import field
from typing import Any, Literal

from headway.model.job_settings import Waiver, utc_day
from headway.record import dataclass

JobOutcome = Literal["success", "failure", "cancelled", "skipped"]
Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step: either `run` (template; a script for `shell`) or `uses` (an action with `inputs`).

    `condition`: an expression with or without `${{ }}`; empty means `success()`. `timeout_minutes`
    and `continue_on_error`: templates; empty means none and false. `id` is unique in the job; one
    that begins with `__` was not written.
    """

    id: str
    name: str = ""
    run: str | None = None
    uses: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    condition: str = ""
    shell: str = ""
    working_directory: str = ""
    timeout_minutes: str = ""
    continue_on_error: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class JobOrder:
    """Run this job instance of that run, once.

    `id` is the job's id in the file (`test`; `deploy / test` inside a called workflow), `key` is
    unique in the run, also as a file name (`test.2`), `name` is for people (`test (3.12)`).
    `attempt` counts from 1. `folder`: a working tree to be used as it is (`headway run` on dirty
    files); empty: a clean checkout of `sha` from `repo`.

    `contexts`: github, vars, inputs, needs, strategy, matrix, as far as they are known before the
    job starts; `env`: the workflow's and the job's variables (templates), later ones win.
    `container` and `services`: as written, templates inside. `actions`: `owner/name@ref` to the
    commit that headway.lock pins. `trusted`: False for a fork's change, which gets no secrets and
    writes no shared cache. `network`: False cuts the job off. `runs_on`: the labels it asks for.
    `tidy_seconds`: how long it may go on once it is stopped, with the steps that run then; 0: not
    at all. `environment`: the name of the environment whose variables, secrets and approval it has,
    if any; `deploys`: it deploys there, too. `url`: where that can be seen (template). `tries`:
    which try of the job in its run this is, from 1; each has an attempt of its own. `reports`:
    globs of files in its workspace that are kept when it ends.
    """

    run: str
    id: str
    key: str
    name: str
    attempt: int
    repo: str
    sha: str
    ref: str
    steps: tuple[StepSpec, ...]
    workflow: str = ""
    folder: str = ""
    contexts: dict[str, Any] = field(default_factory=dict)
    env: tuple[dict[str, str], ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    shell: str = ""
    working_directory: str = ""
    timeout_seconds: float = 6 * 3600.0
    tidy_seconds: float = 300.0
    container: Any = None
    services: dict[str, Any] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    trusted: bool = True
    network: bool = True
    runs_on: tuple[str, ...] = ()
    environment: str = ""
    deploys: bool = True
    url: str = ""
    tries: int = 1
    reports: tuple[str, ...] = ()

    @property
    def deploys_to(self) -> str:
        """The environment that it changes; "" if it changes none."""
        return self.environment if self.deploys else ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What `::error file=…` said. Lines and columns count from 1; 0: not said."""

    level: Level
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What came of a step. `outcome` is before, `conclusion` after `continue_on_error`.

    `log` is the number of the step's log in the job (-1: it never began), `lines` and `digest` seal
    it (sha256 over the masked bytes). `tail`: the last lines, masked, for people.
    """

    id: str
    name: str
    outcome: JobOutcome
    conclusion: JobOutcome
    exit_code: int | None
    started_at: float
    finished_at: float
    outputs: dict[str, str] = field(default_factory=dict)
    log: int = -1
    lines: int = 0
    digest: str = ""
    tail: str = ""
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """What upload-artifact left: a folder on this machine, and the digest of what is in it."""

    name: str
    path: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report that a job left: a path in its workspace, a blob. `globs`: those of the order that
    mean it. `problem`: why it was not kept, "" if it was.
    """

    path: str
    digest: str
    size_bytes: int
    globs: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """Tests of one size, and the seconds that all of them took."""

    size: str
    tests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WaiverUse:
    """A waiver beside what a job found. `findings`: how many that would block are of its rule and
    file, the first of them in `named`; it lets them through unless it has `expired`. None: it is
    idle.
    """

    waiver: Waiver
    findings: int = 0
    expired: bool = False
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checks:
    """What the reports that a job declared came to. `because`: in words. `tests`, `seconds` and
    `layers` are of this try, `failed` those that never passed in it. `forgiven`: tests that failed
    and do not block, each with why. `line_share`: of all files, None without coverage; `findings`:
    how many, None without a scan; `waivers`: each one that the job has, and what it did.
    `explained`: if the job is red, this is why. `again`: tests must run again before it can be
    told.
    """

    because: str
    tests: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    layers: tuple[Layer, ...] = ()
    forgiven: tuple[str, ...] = ()
    line_share: float | None = None
    findings: int | None = None
    explained: bool = False
    again: bool = False
    waivers: tuple[WaiverUse, ...] = ()

    @property
    def waived(self) -> tuple[WaiverUse, ...]:
        """The waivers that let something through."""
        return tuple(use for use in self.waivers if use.findings and not use.expired)

    def stand(self, now: float) -> bool:
        """Whether every waiver that let something through is in force, too. `now`: Unix seconds."""
        today = utc_day(now)
        return not any(use.waiver.expired(today) for use in self.waived)


@dataclass(frozen=True, slots=True)
class JobReport:
    """What came of a job. Times are Unix seconds. `because`: why it is red or was not run, in words
    ("" for a green one). `reused`: the run whose result this is, if the job was not run again.
    `reports`: what it left of those that it declared; `checks`: what they say, once judged. `url`:
    where what it deployed can be seen: http or https, of the characters that an address may have.
    """

    key: str
    outcome: JobOutcome
    started_at: float
    finished_at: float
    steps: tuple[StepReport, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    summary: str = ""
    because: str = ""
    reused: str = ""
    reports: tuple[ReportFile, ...] = ()
    checks: Checks | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a step's output, masked. `group`: how many `::group::` are open around it."""

    at: float
    text: str
    group: int = 0
    level: Literal["", "error", "warning", "notice", "debug", "command", "group"] = ""
