"""`headway connection`: outside systems by name; headway.yaml holds no address and no secret."""

import sys
import time
from importlib.metadata import entry_points

import click

from headway.access import mapping
from headway.cli.context import Context, pass_context
from headway.cli.hints import hint
from headway.cli.options import Noun
from headway.flows import handover_push
from headway.model.alert import Message
from headway.model.connection import Connection
from headway.model.errors import Invalid
from headway.model.series import Selector
from headway.pipeline.trigger.hooks import KINDS as HOOKS
from headway.pipeline.trigger.hooks import SIGNING
from headway.store import connections
from headway.wording.text import columns

NOTIFIERS, SOURCES = "headway.notifiers", "headway.metric_sources"
GROUPS = (NOTIFIERS, SOURCES, "headway.emitters")
PROVIDERS = {"oidc"}
REPOSITORIES = ({*HOOKS} - {"registry", "cdevents"}) | {"git"}
SECRET_WORDS = ("password", "secret", "token", "key")
NAME = click.argument("name", metavar="NAME")
MOST_STDIN = 65_536


@click.group(
    cls=Noun,
    examples=(
        "headway connection add ops --kind slack --url-stdin < url",
        "headway connection list",
    ),
)
def connection() -> None:
    """Outside systems by name: channels of alerts, sources of metrics, forges and registries."""


@connection.verb(
    "headway connection add ops --kind slack --url-stdin < url",
    "headway connection add hook --kind webhook --url-stdin < url-and-secret",
    "headway connection add mail --kind email --option from=headway@example.com "
    "--option to=ops@example.com --url-stdin < url",
)
@NAME
@click.option("--kind", required=True, metavar="KIND", help="The technology; see the list.")
@click.option(
    "--url-stdin", is_flag=True, help="Read the URL from stdin; lines after it are KEY=VALUE."
)
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Nothing secret.")
@pass_context
def add(
    context: Context, name: str, kind: str, *, url_stdin: bool, options: tuple[str, ...]
) -> None:
    """Name an outside system, or change it.

    The URL is a secret, as is every password: they are read from stdin or asked for, and are never
    shown again.
    """
    _known_kind(kind)
    chosen = _pairs(options)
    for key in chosen:
        if any(word in key.lower() for word in SECRET_WORDS):
            raise Invalid(
                f"`{key}` is a secret and no argument",
                why="arguments are seen by every user of this machine",
                next=f"--url-stdin, with the line `{key}=…` after the URL",
                code="secret-argument",
            )
    url, more = _given(context, url_stdin=url_stdin)
    made = Connection(name, kind, url, chosen | more)
    _signed(made)
    handover_push.rule_of(made)
    mapping.check(chosen)
    connections.put(context.headway.home, made)
    if context.json:
        context.document({"name": name, "kind": kind, "options": sorted(chosen | more)})
    else:
        context.line(hint(f"{kind}/{name} is known; headway connection test {name}"))


def _signed(made: Connection) -> None:
    """Whoever sends CDEvents proves itself by a signature that covers id and time."""
    if made.kind == "cdevents" and not made.options.get("secret", "").startswith(SIGNING):
        raise Invalid(
            "a connection of the kind cdevents needs a `secret` that begins with `whsec_`",
            why="CDEvents are taken with Standard Webhooks signatures only",
            next="--url-stdin, with the line `secret=whsec_…` after the URL",
            code="unsigned",
        )


def _given(context: Context, *, url_stdin: bool) -> tuple[str, dict[str, str]]:
    """The URL and the secret options, from stdin or from a person."""
    if not url_stdin and not context.no_input and sys.stdin.isatty():
        return click.prompt("URL", hide_input=True, err=True).strip(), {}
    if not url_stdin:
        raise Invalid("where is the URL?", next="--url-stdin < FILE", code="missing-url")
    url, *rest = sys.stdin.read(MOST_STDIN).strip().splitlines() or [""]
    if not url.strip():
        raise Invalid("stdin is empty; its first line is the URL", code="missing-url")
    return url.strip(), _pairs(tuple(line.strip() for line in rest if line.strip()))


def _pairs(lines: tuple[str, ...]) -> dict[str, str]:
    """`key=value` each. A bad line is not repeated in the error: it may be a secret."""
    pairs = [line.partition("=") for line in lines]
    if not all(key and equals for key, equals, _ in pairs):
        raise Invalid("an option is written KEY=VALUE", code="option")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _known_kind(kind: str) -> None:
    found = {e.name for group in GROUPS for e in entry_points(group=group)}
    known = sorted({*found, *HOOKS, *REPOSITORIES, *PROVIDERS})
    if kind not in known:
        raise Invalid(
            f"`{kind}` is no kind of connection", why=f"known: {', '.join(known)}", code="kind"
        )


@connection.verb("headway connection list", name="list")
@pass_context
def listing(context: Context) -> None:
    """Show names and kinds, never addresses or values."""
    found = connections.every(context.home_folder)
    if context.json:
        items = [{"name": c.name, "kind": c.kind, "options": sorted(c.options)} for c in found]
        context.document({"items": items})
        return
    rows = [(c.name, c.kind, " ".join(sorted(c.options))) for c in found]
    none = ["No connection yet. Next: headway connection add --help"]
    context.lines(columns([("NAME", "KIND", "OPTIONS"), *rows]) if rows else none)


@connection.verb("headway connection remove ops")
@NAME
@pass_context
def remove(context: Context, name: str) -> None:
    """Forget an outside system."""
    connections.get(context.home_folder, name)
    context.confirm(f"Forget the connection {name}?")
    connections.remove(context.home_folder, name)
    if context.json:
        context.document({"removed": name})
    else:
        context.line(f"{name} is forgotten")


@connection.verb("headway connection test ops")
@NAME
@pass_context
def test(context: Context, name: str) -> None:
    """Send a message to a channel, or ask a source of metrics or a repository something."""
    kind = connections.get(context.home_folder, name).kind
    if kind in PROVIDERS:
        answer = _greet(context, name)
    elif kind in HOOKS or kind in REPOSITORIES:
        answer = _look(context, name)
    elif any(e.name == kind for e in entry_points(group=NOTIFIERS)):
        answer = _say(context, name)
    else:
        answer = _ask(context, name)
    if context.json:
        context.document({"name": name, "kind": kind, "answer": answer})
    else:
        context.line(f"{kind}/{name}: {answer}")


def _say(context: Context, name: str) -> str:
    now = time.time()
    text = f"{context.person} asked whether messages arrive here. Nothing is wrong."
    key = f"test/{now:.3f}"
    message = Message(key, key, "Test message from Headway", text, "ticket", False, now)  # noqa: FBT003
    context.headway.world.notifiers(name).send(message)
    return "the message was taken"


def _greet(context: Context, name: str) -> str:
    from headway.adapters.oidc.provider import Provider, Way  # noqa: PLC0415  it takes long

    provider = Provider(connections.get(context.home_folder, name))
    provider.address(Way("http://localhost", "state", "nonce", "verifier"))
    return f"the provider answers; it is to send browsers back to /sso/{name}/back"


def _look(context: Context, name: str) -> str:
    """A registry whose service is not known is not asked: it tells."""
    known = connections.get(context.home_folder, name)
    rule = handover_push.rule_of(known)
    if rule is not None:
        tags = context.headway.world.registries(name).tags(rule.repository)
        good = sum(handover_push.matches(rule, tag) for tag in tags)
        return f"the registry answers; {good} of {len(tags)} tags of {rule.repository} are meant"
    if known.kind not in REPOSITORIES:
        return f"it is to send to /hooks/{known.kind}/{name}"
    token = known.options.get("token", "")
    heads = context.headway.world.repositories.heads(known.url, token)
    return f"the repository answers; {len(heads.keys() - {'HEAD'})} branches and tags"


def _ask(context: Context, name: str) -> str:
    now = time.time()
    found = context.headway.world.sources(name).fetch(Selector("up"), now - 300, now)
    return f"it answers; {len(found)} series of the metric `up`"
