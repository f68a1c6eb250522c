"""Commit statuses on Gitea and Forgejo: POST /api/v1/repos/{owner}/{repo}/statuses/{sha}.

Format: CreateStatusOption of their API (state pending, success, error or failure). Serves
ports/status_sink.
"""

from pathlib import Path

from headway.adapters.forge import client
from headway.adapters.forge.github import STATES
from headway.model.connection import Connection
from headway.ports.status_sink import Status, StatusSink

MOST_DESCRIPTION = 255


class GiteaStatuses(StatusSink):
    """One Gitea or Forgejo."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def report(self, status: Status) -> None:
        """See StatusSink."""
        connection = self._connection
        base = client.api(connection, "{host}/api/v1")
        where = client.path(connection, status, whole=False)
        headers = {"authorization": f"token {client.token(connection)}"}
        url = f"{base}/repos/{where}/statuses/{status.sha}"
        content = {
            "state": STATES.get(status.state, status.state),
            "context": status.context,
            "description": status.description[:MOST_DESCRIPTION],
            "target_url": status.url,
        }
        if client.send(connection, url, headers, content).status == 400:
            raise client.refused(connection)
