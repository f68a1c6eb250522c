"""Deployments: which instances of which release run in an environment now, asked of its target."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from starlette.requests import Request

from headway.api.guard import Reader, see
from headway.api.problems import Missing
from headway.api.v1.common import filtered, headway, noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.model.deployment import InstanceState
from headway.store.tables import places
from headway.store.views.moments import moment
from headway.store.views.paging import Filter
from headway.wiring import Headway

router = noun("deployments")


@dataclass(frozen=True, slots=True)
class Instance:
    """One process of a release. `exit_status`: of its last end, negative for a signal."""

    id: str
    release: str
    digest: str
    phase: str
    host: str
    port: int
    restarts: int
    exit_status: int | None
    started_at: datetime | None
    cpu_seconds: float | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """`release` is in charge, `candidate` is being tried. `generation` rises with every change."""

    service: str
    environment: str
    release: str
    candidate: str
    rollout: str
    address: str
    generation: int
    since: datetime | None
    instances: tuple[Instance, ...]


@router.get("/deployments")
def list_deployments(
    request: Request, who: Reader, span: Spanned, service: str = "", environment: str = ""
) -> Page[Deployment]:
    """By service and environment."""
    asked = filtered(who, span, service=service, environment=environment)
    found = _read(request, asked)
    return span.page(found, lambda d: f"{d.service}/{d.environment}")


@router.get("/deployments/{service}/{environment}")
def show_deployment(request: Request, who: Reader, service: str, environment: str) -> Deployment:
    """In one place."""
    see(who, service)
    found = _read(request, Filter(service, environment))
    if not found:
        raise Missing("there is none by that name", code="unknown-name")
    return found[0]


def _read(request: Request, asked: Filter) -> list[Deployment]:
    t = places.c
    query = sa.select(places).order_by(t.service, t.environment).limit(asked.limit)
    for column, value in ((t.service, asked.service), (t.environment, asked.environment)):
        query = query.where(column == value) if value else query
    if asked.seen is not None:
        query = query.where(t.service.in_(sorted(asked.seen)))
    if asked.cursor:
        service, _, environment = asked.cursor.partition("/")
        behind = sa.and_(t.service == service, t.environment > environment)
        query = query.where(sa.or_(t.service > service, behind))
    with reading(request) as connection:
        rows = connection.execute(query).all()
    return [
        Deployment(
            service=r.service,
            environment=r.environment,
            release=r.stable,
            candidate=r.candidate,
            rollout=r.rollout,
            address=r.address,
            generation=r.generation,
            since=moment(r.since),
            instances=_instances(headway(request), r.service, r.environment),
        )
        for r in rows
    ]


def _instances(known: Headway, service: str, environment: str) -> tuple[Instance, ...]:
    target = known.world.targets["local"]
    return tuple(_instance(i) for i in target.observe(service, environment))


def _instance(seen: InstanceState) -> Instance:
    return Instance(
        id=seen.id,
        release=seen.release,
        digest=seen.digest,
        phase=seen.phase,
        host=seen.host,
        port=seen.port,
        restarts=seen.restarts,
        exit_status=seen.exit_status,
        started_at=moment(seen.started_at),
        cpu_seconds=seen.cpu_seconds,
        memory_bytes=seen.memory_bytes,
    )
