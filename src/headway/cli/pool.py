"""`headway pool`: workers by pool, limits, and who waits for what."""

from typing import TYPE_CHECKING

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid, Refused
from headway.wording.text import columns, plain, span

if TYPE_CHECKING:
    from headway.store.views.pools import JobView, PoolView, WorkerView

_URGENCY = ("later", "normal", "soon", "at once")


@click.group(cls=Noun, examples=("headway pool list", "headway pool set gpu --limit 4"))
def pool() -> None:
    """Workers by name: who runs what, who waits, how many at once."""


@pool.verb("headway pool list", "headway pool list --json", name="list")
@pass_context
def listing(context: Context) -> None:
    """Every pool: workers, places, what runs, what waits and for how long."""
    found = _read(context, "")
    if context.json:
        context.document({"items": [_document(one) for one in found]})
        return
    if not found:
        context.line("No pool yet. Next: headway worker --pool default")
        return
    head = ("POOL", "WORKERS", "PLACES", "RUNNING", "WAITING", "LONGEST WAIT", "LIMITS")
    context.lines(columns([head, *(_row(one) for one in found)]))


@pool.verb("headway pool show gpu", "headway pool show gpu --json")
@click.argument("name", metavar="POOL")
@pass_context
def show(context: Context, name: str) -> None:
    """Show a pool: its workers, what runs, who waits, how long and why."""
    found = _known(context, name)
    if context.json:
        context.document(_document(found))
        return
    context.line(f"{found.name}: {_limits(found)}")
    context.lines(_workers(found))
    context.lines(_jobs(found))


@pool.verb(
    "headway pool set gpu --limit 4 --limit-repo 2", "headway pool set default --limit-repo 0",
    name="set",
)  # fmt: skip
@click.argument("name", metavar="POOL")
@click.option("--limit", type=click.IntRange(0), help="Jobs at once in the pool; 0: any number.")
@click.option("--limit-repo", type=click.IntRange(0), help="… of one repository.")
@click.option("--limit-environment", type=click.IntRange(0),
              help="… in one environment of a repository.")  # fmt: skip
@pass_context
def change(
    context: Context, name: str, limit: int | None, limit_repo: int | None,
    limit_environment: int | None,
) -> None:  # fmt: skip
    """Set limits of a pool, which is made if it is not there; the others stay."""
    from headway.flows.pool_identity import checked  # noqa: PLC0415
    from headway.pipeline.pool.choice import Limits  # noqa: PLC0415
    from headway.store import pool_members  # noqa: PLC0415
    from headway.store.pool_place import tx  # noqa: PLC0415

    with tx(context.headway.db) as one:
        known = {p.name: p.limits for p in pool_members.every(one.connection)}
        old = known.get(checked(name), Limits())
        new = Limits(
            old.pool if limit is None else limit,
            old.repo if limit_repo is None else limit_repo,
            old.environment if limit_environment is None else limit_environment,
        )
        pool_members.limit(one, name, new)
    found = _known(context, name)
    if context.json:
        context.document(_document(found))
    else:
        context.line(f"{name}: {_limits(found)}")


@pool.verb("headway pool remove gpu")
@click.argument("name", metavar="POOL")
@pass_context
def remove(context: Context, name: str) -> None:
    """Forget a pool without workers and jobs; jobs that name it then run elsewhere."""
    from headway.store import pool_members  # noqa: PLC0415
    from headway.store.pool_place import tx  # noqa: PLC0415

    _known(context, name)
    with tx(context.headway.db, claims=True) as one:
        if not pool_members.remove(one, name):
            raise Refused(
                f"pool `{name}` has jobs or workers",
                next=f"headway pool show {name}",
                code="pool-in-use",
            )
    if context.json:
        context.document({"removed": name})
    else:
        context.line(f"{name} is forgotten")


def _read(context: Context, name: str) -> "list[PoolView]":
    from headway.store.views.pools import pools  # noqa: PLC0415

    with context.reading() as connection:
        return pools(connection, name)


def _known(context: Context, name: str) -> "PoolView":
    """Raises Invalid (`unknown-pool`)."""
    found = _read(context, name)
    if not found:
        known = ", ".join(one.name for one in _read(context, "")) or "none"
        raise Invalid(
            f"there is no pool `{plain(name, 40)}`",
            why=f"known: {known}",
            next="headway worker --pool NAME, or headway pool set NAME --limit 4",
            code="unknown-pool",
        )
    return found[0]


def _document(one: "PoolView") -> dict[str, object]:
    limits = one.limits
    return {
        "name": one.name,
        "limit": limits.pool,
        "limit_repo": limits.repo,
        "limit_environment": limits.environment,
        "places": one.places,
        "workers": list(one.workers),
        "jobs": list(one.jobs),
    }


def _row(one: "PoolView") -> tuple[str, ...]:
    waiting = one.waiting
    longest = max((job.seconds for job in waiting), default=None)
    return (
        one.name,
        str(len(one.alive)),
        str(one.places),
        str(len(one.jobs) - len(waiting)),
        str(len(waiting)),
        span(longest) if longest is not None else "",
        _limits(one),
    )


def _limits(one: "PoolView") -> str:
    found = one.limits
    parts = (
        (found.pool, "at once"), (found.repo, "a repository"),
        (found.environment, "an environment"),
    )  # fmt: skip
    return ", ".join(f"{most} {what}" for most, what in parts if most) or "no limit"


def _workers(one: "PoolView") -> list[str]:
    if not one.workers:
        return [f"No worker. Next: headway worker --pool {one.name}"]
    head = ("WORKER", "HOST", "STATE", "RUNNING", "LAST SIGN")
    return ["", *columns([head, *(_worker(w) for w in one.workers)])]


def _worker(one: "WorkerView") -> tuple[str, ...]:
    busy = f"{one.running} of {one.places}"
    return one.id, plain(one.host, 40), one.state, busy, f"{span(one.silent_seconds)} ago"


def _jobs(one: "PoolView") -> list[str]:
    if not one.jobs:
        return ["", "No job waits or runs."]
    head = ("JOB", "RUN", "REPOSITORY", "STATE", "FOR", "PRIORITY", "WORKER OR REASON")
    return ["", *columns([head, *(_job(job) for job in one.jobs)])]


def _job(job: "JobView") -> tuple[str, ...]:
    again = f", taken {job.begins} times" if job.begins > 1 else ""
    return (
        plain(job.name, 40),
        job.run,
        plain(job.repo.rpartition("/")[2], 40),
        job.state,
        span(job.seconds),
        _URGENCY[min(job.priority, len(_URGENCY) - 1)],
        f"{job.worker or job.because}{again}",
    )
