"""The whole of the server: pages, static files, and below them the doors of api/."""

import importlib
import pkgutil
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from headway.api import app as doors
from headway.web import page, pages
from headway.wiring import Headway

STATIC = Path(__file__).parent / "static"


def app(headway: Headway, token: str) -> Starlette:
    """As api.app, with the pages."""
    for found in pkgutil.iter_modules(pages.__path__):
        importlib.import_module(f"{pages.__name__}.{found.name}")
    site = [Mount("/static", StaticFiles(directory=STATIC)), *page.routes(headway)]
    return doors.app(headway, token, site)
