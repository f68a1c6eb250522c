"""Commit statuses on GitHub: POST /repos/{owner}/{repo}/statuses/{sha} (docs.github.com/rest).

`state` is error, failure, pending or success; a description has at most 140 characters. A commit
keeps the last status of each context. Serves ports/status_sink.
"""

from pathlib import Path

from headway.adapters.forge import client
from headway.model.connection import Connection
from headway.ports.status_sink import Status, StatusSink

MOST_DESCRIPTION = 140
PUBLIC = "https://api.github.com"
STATES = {"running": "pending", "cancelled": "error"}


class GitHubStatuses(StatusSink):
    """github.com, or an Enterprise Server, whose API is at /api/v3."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def report(self, status: Status) -> None:
        """See StatusSink."""
        connection = self._connection
        base = client.api(connection, "{host}/api/v3")
        base = PUBLIC if base in {"https://github.com/api/v3", "http://github.com/api/v3"} else base
        where = client.path(connection, status, whole=False)
        headers = {
            "authorization": f"Bearer {client.token(connection)}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        url = f"{base}/repos/{where}/statuses/{status.sha}"
        if client.send(connection, url, headers, body(status)).status == 400:
            raise client.refused(connection)


def body(status: Status) -> dict[str, str]:
    """The JSON document."""
    found = {
        "state": STATES.get(status.state, status.state),
        "context": status.context,
        "description": status.description[:MOST_DESCRIPTION],
    }
    return found | ({"target_url": status.url} if status.url else {})
