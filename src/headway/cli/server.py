"""`headway server`: one process that hosts repositories and runs deliveries; `server status`."""

import gc
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from headway.cli.context import Context, pass_context
from headway.cli.hints import hint
from headway.cli.options import Noun
from headway.flows import login
from headway.model.errors import Invalid, Refused, Unreachable
from headway.once import once
from headway.record import dataclass
from headway.store.place import announce, is_url

if TYPE_CHECKING:
    import uvicorn

PORT = 8470
LOCAL = "127.0.0.1"
RUNS = 4


class State(TypedDict):
    """server.json. `started_at` is Unix time in seconds."""

    pid: int
    address: str
    started_at: float


@click.group(
    cls=Noun,
    invoke_without_command=True,
    examples=("headway server", "headway server --port 0", "headway server status"),
)
@click.option("--port", default=PORT, show_default=True, help="0 picks a free one.")
@click.option(
    "--host",
    default=LOCAL,
    show_default=True,
    metavar="ADDRESS",
    help="Where it listens: of this machine only, unless said otherwise.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="One more name that the server has, beside that of --public-url.",
)
@click.option(
    "--statsd", metavar="[HOST:]PORT", help="Hear statsd over UDP there; on 127.0.0.1 by default."
)
@click.option(
    "--runs",
    type=click.IntRange(1, 256),
    default=None,
    metavar="N",
    help=f"Workflow runs at once; the others wait in order. [default: cores, at least {RUNS}]",
)
@click.option(
    "--public-url",
    "public",
    default="",
    metavar="URL",
    envvar="HEADWAY_PUBLIC_URL",
    help="Where people reach the pages: links in messages. [default: http://127.0.0.1:PORT]",
)
@pass_context
def server(  # noqa: PLR0913  one parameter for each option
    context: Context,
    port: int,
    host: str,
    names: tuple[str, ...],
    statsd: str | None,
    runs: int | None,
    public: str,
) -> None:
    """Run the server: `git push` to it starts a delivery, and whatever workflows listen for it."""
    if click.get_current_context().invoked_subcommand is None:
        if public and not is_url(public):
            why = "an http or https address without a query"
            hint = "headway server --public-url https://headway.example.com"
            raise Invalid("this is no public address", why=why, next=hint, code="public-url")
        most = runs or max(RUNS, os.cpu_count() or 1)
        _run(context, _Given(host, port, names, statsd, most, public))


@server.verb("headway server status", "headway server status --json")
@pass_context
def status(context: Context) -> None:
    """Whether a server runs for this home, since when, and where."""
    known = read_state(context.home_folder)
    if known is None or not context.headway.engine_runs():
        raise Unreachable("no server runs for this home", next="headway server", code="no-server")
    if context.json:
        context.document(known)
        return
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known["started_at"]))
    context.line(f"running at {known['address']}, pid {known['pid']}, since {since}")


@dataclass(frozen=True, slots=True)
class _Given:
    host: str
    port: int
    names: tuple[str, ...]
    statsd: str | None
    runs: int
    public: str


def _run(context: Context, given: _Given) -> None:
    import uvicorn  # noqa: PLC0415

    from headway.api.security import Site  # noqa: PLC0415
    from headway.web.app import app  # noqa: PLC0415

    headway = context.headway
    token = make_token(headway.home)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(given.host, given.port))
        address = _address(given.host, listener.getsockname()[1])
        announce(headway.home, given.public or address)
        stack.enter_context(headway.engine(runs=given.runs))
        stack.enter_context(headway.pushes())
        stack.enter_context(headway.triggers(headway.start))
        if given.statsd:
            heard = stack.enter_context(headway.statsd(*_place(given.statsd)))
            context.note(f"statsd is heard at udp port {heard}")
        stack.enter_context(_state(headway.home, address))
        context.note(f"headway server at {address}, home {headway.home}")
        context.note(hint("to deliver a repository:  headway remote") + " && git push headway main")
        with headway.tx() as tx:
            welcome = login.invite(tx)
        if welcome:
            where = given.public.rstrip("/") or address
            context.note(
                f"to become the first administrator, once, for 1 h:  {where}/welcome/{welcome}"
            )
        for warning in _warnings(given):
            context.complain(f"warning: {warning}")
        names = frozenset(name.lower() for name in (*given.names, given.host))
        door = app(headway, token, Site(given.public, names))
        http = uvicorn.Server(uvicorn.Config(door, log_level="warning", access_log=False))
        door.state.leaving = lambda: http.should_exit
        gc.freeze()  # libraries stay: looking for garbage among them stops every page for 150 ms
        _serve(http, listener)
    context.hard_exit = True


def _serve(http: "uvicorn.Server", listener: socket.socket) -> None:
    """Until it is told to end. SIGTERM would be raised once more when the last answer is given, and
    what is open here would not be closed in order; a second one ends the process at once.
    """

    def leave(_number: int, _frame: object) -> None:
        http.should_exit = True

    signal.signal(signal.SIGTERM, leave)
    http.run(sockets=[listener])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _place(text: str) -> tuple[str, int]:
    """The host and port of `--statsd`. Raises Invalid (`statsd`)."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise Invalid(f"`{text}` is no port", next="headway server --statsd 8125", code="statsd")
    return host.strip("[]") or "127.0.0.1", int(port)


def _address(host: str, port: int) -> str:
    """Where programs of this machine reach it."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  compared, not bound
        host = LOCAL
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _warnings(given: _Given) -> list[str]:
    """What is dangerous about where it listens."""
    if given.host in {LOCAL, "localhost", "::1"}:
        return []
    if given.public.startswith("https://"):
        return [f"{given.host} is reached without https too; let the proxy alone reach it"]
    return [
        f"{given.host} is reached without https: passwords and tokens can be read on the way",
        "put a proxy with https before it:  headway server --public-url https://NAME",
    ]


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio set TCP_NODELAY: else a page takes 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # whoever reads server.json may knock before the server serves
    except OSError as error:
        listener.close()
        raise Refused(
            f"port {port} on {host} cannot be used",
            why=error.strerror or str(error),
            next="headway server --port 0",
            code="port-in-use",
        ) from error
    with listener:
        yield listener


@contextmanager
def _state(home: Path, address: str) -> Iterator[None]:
    """server.json tells the other commands where the server is."""
    file = home / "server.json"
    state: State = {"pid": os.getpid(), "address": address, "started_at": time.time()}
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(state))
    temporary.rename(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def read_state(home: Path) -> State | None:
    """What the running server wrote; None if there is none, or it ended badly."""
    try:
        found: State = json.loads((home / "server.json").read_text())
    except FileNotFoundError:
        return None
    return found


def make_token(home: Path) -> str:
    """The token that may push: made once, readable by the home's owner only."""
    return once(home / "token", lambda: secrets.token_urlsafe(32).encode()).decode()
