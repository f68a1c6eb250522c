"""Commit statuses on GitLab: POST /api/v4/projects/{id}/statuses/{sha} (docs.gitlab.com/api).

`id` is the path as one segment; `state` is pending, running, success, failed or canceled. GitLab
answers 400 where the status is already what it shall be (or `running`, which is more than
`pending`): that is no fault.
Serves ports/status_sink.
"""

import re
from pathlib import Path

from headway.adapters.forge import client
from headway.model.connection import Connection
from headway.ports.status_sink import Status, StatusSink

STATES = {"failure": "failed", "error": "failed", "cancelled": "canceled"}
MOST_DESCRIPTION = 255
_ALREADY = re.compile(
    r"Cannot transition status via :(enqueue from :(pending|running)|run from :running"
    r"|succeed from :success|drop from :failed|cancel from :canceled)"
)


class GitLabStatuses(StatusSink):
    """gitlab.com or a GitLab of one's own."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def report(self, status: Status) -> None:
        """See StatusSink."""
        connection = self._connection
        base = client.api(connection, "{host}/api/v4")
        where = client.path(connection, status, whole=True)
        headers = {"private-token": client.token(connection)}
        content = {
            "state": STATES.get(status.state, status.state),
            "name": status.context[:MOST_DESCRIPTION],
            "description": status.description[:MOST_DESCRIPTION],
        }
        content |= {"target_url": status.url} if status.url else {}
        url = f"{base}/projects/{where}/statuses/{status.sha}"
        answer = client.send(connection, url, headers, content)
        if answer.status == 400 and not _ALREADY.search(answer.text):
            raise client.refused(connection)
