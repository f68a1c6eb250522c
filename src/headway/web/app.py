"""The whole of the server: pages, static files, and below them the doors of api/."""

import importlib
import pkgutil

from starlette.applications import Starlette

from headway.api import app as doors
from headway.api.security import Site
from headway.web import assets, live, lost, page, pages
from headway.wiring import Headway


def app(headway: Headway, token: str, reached: Site = doors.HERE) -> Starlette:
    """As api.app, with the pages."""
    for found in pkgutil.iter_modules(pages.__path__):
        importlib.import_module(f"{pages.__name__}.{found.name}")
    site = [assets.ROUTE, live.route(), *page.routes(headway), lost.route(headway)]
    return doors.app(headway, token, site, reached)
