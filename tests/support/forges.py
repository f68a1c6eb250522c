"""Small forges that speak the documented API of commit statuses, each with its own peculiarities.

GitHub and Gitea keep the last status of each context; GitLab has a state machine and answers 400 to
a change that is none. All check the token's header, the path and the body before anything else.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "forge-t0ken-S3CRET"
SHA = "0123456789abcdef" * 2 + "01234567"
GITLAB_EVENTS = {
    "pending": "enqueue",
    "running": "run",
    "success": "succeed",
    "failed": "drop",
    "canceled": "cancel",
}


@dataclass
class Forge:
    """`shown`: (repo, sha, context) -> what people see. `broken`: statuses to answer first."""

    kind: str
    url: str = ""
    shown: dict[tuple[str, str, str], dict[str, str]] = field(default_factory=dict)
    requests: int = 0
    broken: list[tuple[int, dict[str, str]]] = field(default_factory=list)


@contextmanager
def forge(kind: str, repo: str = "team/shop") -> Iterator[Forge]:
    """A running forge that knows one repository and one commit."""
    found = Forge(kind)
    check = {"github": _github, "gitlab": _gitlab}.get(kind, _gitea)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.requests += 1
            if found.broken:
                return self._answer(*found.broken.pop(0), {"message": "broken"})
            if self.headers["content-type"] != "application/json":
                return self._answer(415, {}, {})
            status, answer = check(found, repo, self, body)
            return self._answer(status, {}, answer)

        def _answer(self, status: int, headers: dict[str, str], answer: Any) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


Asked = BaseHTTPRequestHandler
Answer = tuple[int, Any]


def _github(found: Forge, repo: str, asked: Asked, body: dict[str, str]) -> Answer:
    """docs.github.com/rest/commits/statuses; on a server of one's own below /api/v3."""
    if asked.headers["authorization"] != f"Bearer {TOKEN}":
        return 401, {"message": "Bad credentials"}
    if asked.path != f"/api/v3/repos/{repo}/statuses/{SHA}":
        return 404, {"message": "Not Found"}
    if asked.headers["x-github-api-version"] != "2022-11-28":
        return 400, {"message": "version"}
    good = body["state"] in {"error", "failure", "pending", "success"}
    if not good or set(body) - {"state", "target_url", "description", "context"}:
        return 422, {"message": "Validation Failed"}
    if len(body["description"]) > 140:
        return 422, {"message": "description is too long (maximum is 140 characters)"}
    return _shown(found, repo, body["context"], body)


def _gitea(found: Forge, repo: str, asked: Asked, body: dict[str, str]) -> Answer:
    """CreateStatusOption of Gitea's and Forgejo's API."""
    if asked.headers["authorization"] != f"token {TOKEN}":
        return 401, {"message": "token is required"}
    if asked.path != f"/api/v1/repos/{repo}/statuses/{SHA}":
        return 404, {"message": "not found"}
    if body["state"] not in {"error", "failure", "pending", "success", "warning"}:
        return 422, {"message": "state"}
    return _shown(found, repo, body["context"], body)


def _gitlab(found: Forge, repo: str, asked: Asked, body: dict[str, str]) -> Answer:
    """docs.gitlab.com/api/commits, "Set commit pipeline status"."""
    if asked.headers["private-token"] != TOKEN:
        return 401, {"message": "401 Unauthorized"}
    if asked.path != f"/api/v4/projects/{repo.replace('/', '%2F')}/statuses/{SHA}":
        return 404, {"message": "404 Project Not Found"}
    event = GITLAB_EVENTS.get(body["state"])
    if event is None or len(body.get("description", "")) > 255:
        return 400, {"message": "state does not have a valid value"}
    now = found.shown.get((repo, SHA, body["name"]), {}).get("state", "")
    if now == body["state"] or (event == "enqueue" and now == "running"):
        why = f"Cannot transition status via :{event} from :{now} (Reason(s): Status cannot)"
        return 400, {"message": why}
    return _shown(found, repo, body["name"], body)


def _shown(found: Forge, repo: str, context: str, body: dict[str, str]) -> Answer:
    found.shown[repo, SHA, context] = body
    return 201, {"id": 1}
