"""Search by commit, digest, release, service, delivery, rollout or run; one hit opens itself."""

from urllib.parse import quote

from starlette.responses import Response

from headway.access.principal import services
from headway.store.views import search as view
from headway.store.views.search import Hit
from headway.web.page import Ask, page, to

_PATHS = {
    "service": "/services/",
    "release": "/releases/",
    "artifact": "/artifacts/",
    "delivery": "/deliveries/",
    "rollout": "/rollouts/",
    "run": "/runs/",
}


@page("/search")
def search(ask: Ask) -> Response:
    """What begins with `q`. The only hit is shown at once."""
    text = ask.query.get("q", "").strip()
    with ask.headway.reading() as connection:
        found = view.read(connection, text, services(ask.who))
    hits = [(hit, _path(hit)) for hit in found]
    if len(hits) == 1:
        return to(hits[0][1])
    return ask.show("search.html", text=text[:200], hits=hits)


def _path(hit: Hit) -> str:
    """A commit is where its deliveries are listed."""
    if hit.kind == "commit":
        return f"/deliveries?commit={quote(hit.id, safe='')}"
    return _PATHS[hit.kind] + quote(hit.id, safe="")
