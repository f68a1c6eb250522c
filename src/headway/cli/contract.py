"""`headway contract`: what consumers need of a provider, recorded per version and replayed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid
from headway.wording.text import columns, marked, plain

if TYPE_CHECKING:
    from headway.flows.contracts import Provider, Verified
    from headway.store.contracts import Recorded

BROKEN = 1
MOST_SHOWN = 10


@click.group(
    cls=Noun,
    examples=(
        "headway contract publish pacts/web-shop.json --consumer web --version 3f2a91c",
        "headway contract verify --provider shop --url http://localhost:8080",
        "headway contract list --provider shop",
    ),
)
def contract() -> None:
    """What consumers need of a provider: recorded per version, replayed before a promotion.

    Files are those of the Pact format, versions 3 and 4.
    """


@contract.verb("headway contract publish pacts/web-shop.json --consumer web --version 3f2a91c")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--consumer", default="", metavar="NAME", help="Must be the file's, if it is given.")
@click.option(
    "--version", "version", required=True, metavar="V", help="Commit, release or digest of it."
)
@pass_context
def publish(context: Context, file: Path, consumer: str, version: str) -> None:
    """Record the contract of one version of a consumer. It never changes afterwards.

    The same file again is accepted and changes nothing.
    """
    from headway.contract import reader  # noqa: PLC0415
    from headway.store import contracts  # noqa: PLC0415

    data = _bytes(file)
    found = reader.read(data, str(file))
    if consumer and consumer != found.consumer:
        raise Invalid(
            f"{file} is of `{plain(found.consumer, 100)}`, not of `{consumer}`",
            code="other-consumer",
        )
    origin = contracts.Origin(found.consumer, version, context.person)
    with context.headway.tx() as tx:
        new = contracts.publish(tx, found, data, origin)
    told = {
        "consumer": found.consumer,
        "version": version,
        "provider": found.provider,
        "interactions": len(found.interactions),
        "new": new,
    }
    if context.json:
        context.document(told)
        return
    count = f"{len(found.interactions)} interactions with {plain(found.provider, 100)}"
    word = "recorded" if new else "was recorded already"
    context.line(f"✓ {plain(found.consumer, 100)} {plain(version, 100)}: {count} {word}")


@contract.verb("headway contract list --provider shop", name="list")
@click.option("--provider", default="", metavar="NAME", help="Only with this provider.")
@click.option("--consumer", default="", metavar="NAME", help="Only of this consumer.")
@said.environment(required=False)
@pass_context
def listing(context: Context, provider: str, consumer: str, environment: str) -> None:
    """What is recorded, newest first; with --env and --provider what is in the environment now."""
    from headway.store import contracts  # noqa: PLC0415

    with context.reading() as connection:
        if environment and provider:
            found, unrecorded = contracts.deployed(connection, provider, environment)
        else:
            found, unrecorded = contracts.listed(connection, provider, consumer), []
    if context.json:
        context.document({"items": found, "unrecorded": unrecorded})
        return
    head = ("CONSUMER", "VERSION", "PROVIDER", "INTERACTIONS", "CONTRACT")
    rows = [
        (plain(r.consumer), plain(r.version), plain(r.provider), str(r.interactions), r.digest[:19])
        for r in found
    ]
    context.lines(columns([head, *rows]) if rows else ["No contract is recorded."])
    context.lines([f"without a contract: {plain(one, 200)}" for one in unrecorded])


@contract.verb("headway contract show web --version 3f2a91c")
@click.argument("consumer")
@click.option("--version", "version", default="", metavar="V", help="Else the newest.")
@click.option("--provider", default="", metavar="NAME", help="If it has several.")
@pass_context
def show(context: Context, consumer: str, version: str, provider: str) -> None:
    """The interactions of a contract; with --json its file as it was published."""
    from headway.contract import reader  # noqa: PLC0415
    from headway.store import contracts  # noqa: PLC0415

    with context.reading() as connection:
        one = _one(contracts.listed(connection, provider, consumer), consumer, version)
        data = contracts.text(connection, one.digest)
    if context.json:
        click.echo(data.decode("utf-8"))
        return
    found = reader.read(data, one.digest)
    context.line(f"{plain(one.consumer)} {plain(one.version)} needs of {plain(one.provider)}")
    for interaction in found.interactions:
        asked = interaction.asked
        states = "".join(f", when {plain(s.name, 100)}" for s in interaction.states)
        context.line(f"  {plain(interaction.description, 200)}{states}")
        context.line(f"    {asked.method} {plain(asked.path, 200)} -> {interaction.wanted.status}")


@contract.verb(
    "headway contract verify --provider shop --url http://localhost:8080",
    "headway contract verify pacts/web-shop.json --url http://localhost:8080",
    "headway contract verify --provider shop --env production --url http://10.0.0.7:8080",
)
@click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path(path_type=Path))
@click.option("--provider", default="", metavar="NAME", help="Whose recorded contracts.")
@click.option("--url", required=True, metavar="URL", help="Where it answers.")
@click.option("--states", default="", metavar="URL", help="Is told by POST which state to set up.")
@click.option("--header", "headers", multiple=True, metavar="NAME=V", help="Sent every time.")
@said.environment(required=False)
@pass_context
def verify(  # noqa: PLR0913  one option each
    context: Context,
    files: tuple[Path, ...],
    provider: str,
    url: str,
    states: str,
    headers: tuple[str, ...],
    environment: str,
) -> int:
    """Replay contracts against a running provider: files, or what is recorded.

    Of recorded ones: with --env those of the versions that are there, else the newest of each
    consumer. Ends with 1 if any is broken.
    """
    from headway.flows.contracts import Provider  # noqa: PLC0415

    if not files and not provider:
        raise Invalid("name files, or --provider", code="usage")
    given = tuple(_header(one) for one in headers)
    where = Provider(_address(url), _absolute(states) if states else "", given)
    found = _of_files(where, files) if files else _recorded(context, where, provider, environment)
    _tell(context, found)
    return BROKEN if any(one.broken for one in found) else 0


@contract.verb("headway contract deployed --consumer app --version 4.2 --env production")
@click.option("--consumer", required=True, metavar="NAME", help="Who.")
@click.option("--version", "version", required=True, metavar="V", help="As it was published.")
@said.environment()
@click.option("--gone", is_flag=True, help="It is there no longer.")
@pass_context
def deployed(
    context: Context, consumer: str, version: str, environment: str, *, gone: bool
) -> None:
    """Say that a consumer that Headway does not deliver is in an environment, or is no longer."""
    from headway.store import contracts  # noqa: PLC0415

    origin = contracts.Origin(consumer, version, context.person)
    with context.headway.tx() as tx:
        if gone:
            contracts.say_gone(tx, origin, environment)
        else:
            contracts.say_present(tx, origin, environment)
    word = "is no longer" if gone else "is"
    if context.json:
        context.document({"consumer": consumer, "version": version, "gone": gone})
    else:
        context.line(f"✓ {plain(consumer)} {plain(version)} {word} in {environment}")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise Invalid(f"{file} cannot be read", why=why, code="missing-file") from error


def _one(found: "list[Recorded]", consumer: str, version: str) -> "Recorded":
    mine = [r for r in found if version in {"", r.version}]
    if not mine:
        raise Invalid(
            f"no contract of {consumer} {version} is recorded",
            next="headway contract list",
            code="unknown-contract",
        )
    return mine[0]


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not text.isprintable():
        raise Invalid(f"--header {text[:80]!r} is not NAME=VALUE", code="usage")
    return name, value


def _absolute(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise Invalid(f"{url[:80]!r} is no http address", code="usage")
    return url


def _address(url: str) -> str:
    return _absolute(url).rstrip("/")


def _of_files(where: "Provider", files: tuple[Path, ...]) -> "list[Verified]":
    return [_replayed(where, _bytes(file), str(file), None) for file in files]


def _recorded(
    context: Context, where: "Provider", provider: str, environment: str
) -> "list[Verified]":
    from headway.store import contracts  # noqa: PLC0415

    with context.reading() as connection:
        if environment:
            found, unrecorded = contracts.deployed(connection, provider, environment)
        else:
            newest = {r.consumer: r for r in reversed(contracts.listed(connection, provider))}
            found, unrecorded = list(newest.values()), []
        files = {r.digest: contracts.text(connection, r.digest) for r in found}
    for one in unrecorded:
        context.note(f"without a contract: {plain(one, 200)}")
    if not found:
        raise Invalid(
            f"no contract with `{provider}` is recorded{f' in {environment}' * bool(environment)}",
            next="headway contract publish FILE --version V",
            code="unknown-contract",
        )
    return [_replayed(where, files[r.digest], r.digest, r) for r in found]


def _replayed(where: "Provider", data: bytes, name: str, of: "Recorded | None") -> "Verified":
    from headway import workbench  # noqa: PLC0415
    from headway.contract import reader  # noqa: PLC0415
    from headway.flows import contracts as flow  # noqa: PLC0415
    from headway.store.contracts import Recorded  # noqa: PLC0415

    found = reader.read(data, name)
    probe = workbench.load("headway.probes", "http")()
    origin = of or Recorded(found.consumer, "", found.provider, name, 0, "", 0.0)
    return flow.replay(probe, where, found, origin)


def _tell(context: Context, found: "list[Verified]") -> None:
    if context.json:
        context.document({"outcome": _outcome(found), "contracts": found})
        return
    for one in found:
        context.lines(_lines(one))


def _outcome(found: "list[Verified]") -> str:
    return "FAIL" if any(one.broken for one in found) else "PASS"


def _lines(one: "Verified") -> list[str]:
    kept = one.interactions - len(one.broken) - len(one.pending)
    who = f"{plain(one.consumer, 100)} {plain(one.version or one.digest, 100)}"
    word = "failed" if one.broken else "ok"
    told = [f"{marked(word)}  {who}: {kept} of {one.interactions} interactions hold"]
    rows: list[tuple[str, Any]] = [("", b) for b in one.broken]
    rows += [(" (pending)", b) for b in one.pending]
    for note, broken in rows:
        told.append(f"  {plain(broken.description, 200)}{note}")
        shown = broken.mismatches[:MOST_SHOWN]
        told += [f"    {plain(str(m), 600)}" for m in shown]
        if len(broken.mismatches) > MOST_SHOWN:
            told.append(f"    … {len(broken.mismatches) - MOST_SHOWN} more")
    return told
