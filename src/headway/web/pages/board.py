"""The board: what runs where, since when, by whom, and what comes next."""

from starlette.responses import Response

from headway.access.principal import services
from headway.store.views import status as view
from headway.web.page import Ask, page


@page("/")
def board(ask: Ask) -> Response:
    """Every place that may be seen."""
    with ask.headway.reading() as connection:
        found = view.seen(view.read(connection), services(ask.who))
    return ask.show("board.html", status=found)
