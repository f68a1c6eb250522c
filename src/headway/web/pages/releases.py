"""Releases and artifacts: the list, and one with its digest, evidence and where it ran."""

from starlette.responses import Response

from headway.access.principal import may, services
from headway.api.guard import must, see
from headway.api.problems import Missing
from headway.flows import commands
from headway.flows.commands import Word
from headway.model.errors import HeadwayError
from headway.store import records
from headway.store.views import ids, lists, paging
from headway.store.views import release as view
from headway.store.views.release import ArtifactView
from headway.web import statements
from headway.web.page import Ask, form, page, to
from headway.web.pages.deliveries import asked_for
from headway.web.question import Question
from headway.web.statements import Statement


@page("/releases")
def listing(ask: Ask) -> Response:
    """Newest first, by service."""
    asked = asked_for(ask)
    with ask.headway.reading() as connection:
        found = paging.page(lists.list_releases, connection, asked, lambda r: r.name)
        names = lists.names(connection, asked.seen)
    live = "" if asked.cursor else "all"
    return ask.show("releases.html", live=live, page=found, asked=asked, names=names)


@page("/releases/{name}")
def show(ask: Ask) -> Response:
    """One release."""
    with ask.headway.reading() as connection:
        see(ask.who, records.release(connection, ask.path["name"]).service)
        found = view.read(connection, ask.path["name"])
    return ask.show("release.html", live=f"release={ask.path['name']}", found=found)


@page("/artifacts/{digest}")
def artifact(ask: Ask) -> Response:
    """One digest."""
    found = _artifact(ask)
    told, problem = _statements(ask, found.artifact.digest)
    held = [q.environment for q in found.artifact.quarantines if q.cleared_at is None]
    clears = {where: _clear(ask, found, where) for where in held}
    return ask.show("artifact.html", found=found, statements=told, problem=problem, clears=clears)


@page("/artifacts/{digest}/clear/{environment}", "quarantine.clear")
def ask_clear(ask: Ask) -> Response:
    """Whether it shall be let in again."""
    return ask.confirm(_clear(ask, _artifact(ask), ask.path["environment"]))


@form("/artifacts/{digest}/clear/{environment}", "quarantine.clear")
def clear(ask: Ask) -> Response:
    """A person lifts the quarantine there."""
    found, environment = _artifact(ask), ask.path["environment"]
    must(ask.who, "quarantine.clear", found.artifact.service, environment)
    word = Word("approve", ask.who.id, ask.reason(), environment)
    with ask.headway.tx() as tx:
        commands.clear_quarantine(tx, found.artifact.digest, environment, word)
    return to(f"/artifacts/{found.artifact.digest}")


def _artifact(ask: Ask) -> ArtifactView:
    with ask.headway.reading() as connection:
        known = ids.digest(connection, ask.path["digest"])
        seen = services(ask.who)
        for service in view.services_of(connection, known):
            if seen is None or service in seen:
                return view.artifact(connection, known, service)
    raise Missing("there is none by that name", code="unknown-name")


def _statements(ask: Ask, digest: str) -> tuple[list[Statement], HeadwayError | None]:
    """Every signed statement about it, or why they cannot be read."""
    try:
        return [statements.read(e) for e in ask.headway.world.artifacts.attached(digest)], None
    except HeadwayError as error:
        return [], error


def _clear(ask: Ask, found: ArtifactView, environment: str) -> Question:
    known = found.artifact
    names = ", ".join(known.releases)
    allowed = may(ask.who, "quarantine.clear", known.service, environment)
    return Question(
        id=f"q-{environment}",
        word=f"Clear in {environment}",
        icon="pass",
        heading=f"Let this artifact into {environment} again?",
        says=f"It failed there. Once cleared, {names} may be tried in {environment} another time; "
        "every other gate is asked as ever.",
        sure="Clear the quarantine",
        keep="Keep it out",
        action=f"/artifacts/{known.digest}/clear/{environment}",
        back=f"/artifacts/{known.digest}",
        danger=True,
        refused="" if allowed else "This needs the role operator there.",
    )
