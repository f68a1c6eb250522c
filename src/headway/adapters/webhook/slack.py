"""Messages to a Slack-compatible incoming webhook (Slack, Mattermost, Rocket.Chat).

Format: api.slack.com/messaging/webhooks, blocks (api.slack.com/reference/block-kit) with a plain
`text` for those who show none. The format has no key for repetitions: a message that is sent twice
is shown twice. Called by flows/telling.
"""

from pathlib import Path
from urllib.parse import quote

import msgspec

from headway.adapters.webhook.post import post
from headway.model.alert import Message
from headway.model.connection import Connection
from headway.ports.notifier import Notifier

MOST_TEXT = 2900  # a section of Slack takes 3000 characters
MOST_HEADER = 150
MOST_FIELD = 500
MOST_LINK = 1000
_IN_URLS = ":/?#[]@!$&'()*+,;=%~"


class SlackNotifier(Notifier):
    """One incoming webhook; its URL is the secret."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        """See Notifier."""
        post(self._connection, msgspec.json.encode(body(message)))


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
    link = _link(message.link)
    blocks += [_section(link)] if link else []
    plain = f"{escape(message.title)}\n{escape(message.text)}"[: MOST_TEXT - MOST_LINK]
    return {
        "text": f"{plain}\n{link}" if link else plain,
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


def _link(url: str) -> str:
    """`<url|text>`; nothing for what could end it early or is no address."""
    known = url.startswith(("http://", "https://")) and len(url) < MOST_LINK
    return f"<{quote(url, safe=_IN_URLS)}|Open in Headway>" if known else ""


def _nobody(text: str) -> str:
    return text.replace("@", "@\u200b")


def _section(text: str) -> dict[str, object]:
    shown = text[:MOST_TEXT] or "-"
    return {"type": "section", "text": {"type": "mrkdwn", "text": shown, "verbatim": True}}
