"""Messages to a Slack-compatible incoming webhook (Slack, Mattermost, Rocket.Chat).

Format: api.slack.com/messaging/webhooks, blocks (api.slack.com/reference/block-kit) with a plain
`text` for those who show none. The format has no key for repetitions: a message that is sent twice
is shown twice. Called by flows/telling.
"""

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from headway.model.alert import Message
from headway.model.connection import Connection
from headway.model.errors import Refused, Unreachable
from headway.ports.notifier import Notifier

TIMEOUT_SECONDS = 10.0
MOST_TEXT = 2900  # a section of Slack takes 3000 characters
MOST_HEADER = 150
MOST_FIELD = 500
RETRIED = frozenset({408, 425, 429})


class SlackNotifier(Notifier):
    """One incoming webhook; its URL is the secret."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        """See Notifier."""
        _post(self._connection, body(message))


def body(message: Message) -> dict[str, object]:
    """The JSON document. Nothing in it can mention anybody or make a link look like another."""
    lines = [f"*{escape(n)}*: {escape(t[:MOST_FIELD])}" for n, t in message.fields.items() if t]
    blocks: list[dict[str, object]] = [
        {
            "type": "header",
            "text": {
                "type": "plain_text",
                "text": _nobody(message.title)[:MOST_HEADER],
                "emoji": False,
            },
        },
        _section(escape(message.text)),
    ]
    blocks += [_section("\n".join(lines))] if lines else []
    return {
        "text": f"{escape(message.title)}\n{escape(message.text)}"[:MOST_TEXT],
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escape(text: str) -> str:
    """`&`, `<` and `>` as entities, which is all that makes links and mentions; and no
    `@channel` for those who look for such words too. (api.slack.com/reference/surfaces/formatting)
    """
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _nobody(plain)


def _nobody(text: str) -> str:
    return text.replace("@", "@\u200b")


def _section(text: str) -> dict[str, object]:
    shown = text[:MOST_TEXT] or "-"
    return {"type": "section", "text": {"type": "mrkdwn", "text": shown, "verbatim": True}}


def _post(connection: Connection, document: dict[str, object]) -> None:
    """Raises Unreachable or Refused; neither says the address."""
    if urlsplit(connection.url).scheme not in {"http", "https"}:
        raise Refused(f"the address of `{connection.name}` is not http or https", code="channel")
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            answer = client.post(connection.url, json=document)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(
            f"`{connection.name}` does not answer", why=type(error).__name__, code="channel"
        ) from None
    if answer.is_success:
        return
    what = f"`{connection.name}` answers with status {answer.status_code}"
    if answer.status_code in RETRIED or answer.status_code >= 500:
        raise Unreachable(what, code="channel")
    raise Refused(what, why="redirects are not followed" * answer.is_redirect, code="channel")
