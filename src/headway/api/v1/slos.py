"""Service level objectives: goals, budgets, and how fast they go."""

import time

from starlette.requests import Request

from headway.access.principal import services
from headway.api.guard import Reader, see
from headway.api.problems import Missing
from headway.api.v1.common import noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.store.views import slo as view
from headway.store.views.slo import Shown, Standing

router = noun("slos")


@router.get("/slos")
def list_slos(
    request: Request, who: Reader, span: Spanned, service: str = "", environment: str = ""
) -> Page[Standing]:
    """Where each stands now, by service, environment and name."""
    seen, now = services(who), time.time()
    with reading(request) as connection:
        every = view.subjects(connection, service, environment)
        mine = {
            f"{s.service}/{s.environment}/{s.slo.name}": s
            for s in every
            if seen is None or s.service in seen
        }
        names = [n for n in sorted(mine) if n > span.after][: span.reach]
        found = [view.standing(connection, mine[n], now) for n in names]
    return span.page(found, lambda s: f"{s.service}/{s.environment}/{s.slo}")


@router.get("/slos/{service}/{environment}/{slo}")
def show_slo(request: Request, who: Reader, service: str, environment: str, slo: str) -> Shown:
    """One, with each release's part in it."""
    see(who, service)
    with reading(request) as connection:
        for subject in view.subjects(connection, service, environment):
            if subject.slo.name == slo:
                return view.shown(connection, subject, time.time())
    raise Missing("there is none by that name", code="unknown-slo")
