"""A forge at the wire: a repository for git over HTTP, and statuses as GitHub's API takes them.

docs.github.com/rest/commits/statuses; git-http-backend(1), "dumb" protocol.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.support.serving import serving
from tests.support.triggering import Repository

TOKEN = "forge-t0ken-S3CRET"


@dataclass
class GitForge:
    """`told`: (commit, context, state, description), in the order they came; `pages`:
    addresses that they lead to.
    """

    repo: Repository
    bare: Path
    address: str = ""
    told: list[tuple[str, str, str, str]] = field(default_factory=list)
    pages: set[str] = field(default_factory=set)
    away: bool = False

    @property
    def url(self) -> str:
        return f"{self.address}/team/shop.git"

    def publish(self) -> str:
        """Push the working copy; gives its commit."""
        self.repo.git("push", "-q", "-f", str(self.bare), "--all")
        self.repo.git("--git-dir", str(self.bare), "update-server-info")
        return self.repo.git("rev-parse", "HEAD")

    def states(self, context: str) -> list[str]:
        return [state for _, named, state, _ in self.told if named == context]

    async def take(self, request: Request) -> JSONResponse:
        """One status."""
        body = await request.json()
        if self.away:
            return JSONResponse({"message": "down"}, 503)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"message": "Bad credentials"}, 401)
        if body["state"] not in {"error", "failure", "pending", "success"}:
            return JSONResponse({"message": "Validation Failed"}, 422)
        sha = request.path_params["sha"]
        self.pages.add(body.get("target_url", ""))
        self.told.append((sha, body["context"], body["state"], body["description"]))
        return JSONResponse({"id": len(self.told)}, 201)


@contextmanager
def git_forge(folder: Path) -> Iterator[GitForge]:
    """Runs until the block ends; `folder` is for its repository."""
    forge = GitForge(Repository(folder / "work"), folder / "team" / "shop.git")
    forge.bare.mkdir(parents=True)
    forge.repo.git("init", "-q", "--bare", "-b", "main", str(forge.bare))
    take = Route("/api/v3/repos/team/shop/statuses/{sha}", forge.take, methods=["POST"])
    files = Mount("/team", StaticFiles(directory=folder / "team"))
    with serving(Starlette(routes=[take, files])) as address:
        forge.address = address
        yield forge
