"""Servers of this machine in the place of containers: postgres and redis. Called by services.

They behave as the official images do (their pages, "Environment Variables"), listen on 127.0.0.1
only, and are tuned for data that is thrown away.
"""

import functools
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from headway.adapters.linux.actions.room import Room
from headway.adapters.linux.actions.service_images import Wish
from headway.model.errors import Refused
from headway.record import dataclass

_REDIS_FLAGS = {
    *("--requirepass", "--maxmemory", "--maxmemory-policy", "--databases", "--timeout"),
    *("--notify-keyspace-events", "--loglevel", "--tcp-keepalive", "--appendonly", "--save"),
}
_PORTS = {"postgres": 5432, "redis": 6379}
_PLACES = ("/usr/lib/postgresql", "/usr/pgsql-*", "/opt/postgresql")
# What was committed is in the kernel's hands, so that it outlives the server, if not the machine.
_FAST = ("fsync=off", "full_page_writes=off", "max_connections=100")
_SECONDS = "120"

Starter = Callable[[Wish, Room, int], int]


@dataclass(frozen=True, slots=True)
class Provider:
    """An installed server. `start(wish, room, port)` gives an exit code."""

    major: str
    start: Starter


def port(wish: Wish) -> int:
    """Where such a server listens inside its container."""
    return _PORTS[wish.kind]


def find(wish: Wish) -> Provider:
    """The installed server nearest to the wish. Raises Refused (`no-server`, `bad-service`)."""
    return PROVIDERS[wish.kind](wish)


def installed() -> list[str]:
    """The services that servers of this machine can give."""
    path = os.environ.get("PATH") or os.defpath
    redis = any(shutil.which(name, path=path) for name in ("redis-server", "valkey-server"))
    return [*(["postgres"] if _installed_postgres() else []), *(["redis"] if redis else [])]


def last_words(folder: Path) -> str:
    """The end of what the server wrote."""
    for log in (folder / "log", folder / "init.log"):
        if log.is_file():
            return log.read_text("utf-8", "replace")[-600:].strip()
    return ""


def stop(room: Room) -> None:
    """Stop the server whose room it is, at once."""
    note = room.folder / "stop"
    if note.is_file():
        room.run(
            ["/bin/sh", "-c", f"{{ {note.read_text('utf-8').rstrip()}\n}} >/dev/null 2>&1 || true"]
        )


def _postgres(wish: Wish) -> Provider:
    found = _installed_postgres()
    if not found:
        raise Refused(
            f"the service `{wish.name}` needs PostgreSQL, which is not installed here",
            next="install postgresql (the server), or podman",
            code="no-server",
        )
    known = wish.env
    trust = known.get("POSTGRES_HOST_AUTH_METHOD") == "trust"
    if not known.get("POSTGRES_PASSWORD") and not trust:
        raise Refused(
            f"the service `{wish.name}` has no POSTGRES_PASSWORD",
            why="the image does not start without one",
            next="set it in `env`, or POSTGRES_HOST_AUTH_METHOD: trust",
            code="bad-service",
        )
    major = wish.major if wish.major in found else max(found, key=int)
    return Provider(major, functools.partial(_start_postgres, found[major]))


def _start_postgres(programs: Path, wish: Wish, room: Room, port: int) -> int:
    user = wish.env.get("POSTGRES_USER") or "postgres"
    trust = wish.env.get("POSTGRES_HOST_AUTH_METHOD") == "trust"
    settings = [f"-c {each}" for each in (*_FAST, "listen_addresses=127.0.0.1")]
    options = " ".join([f"-p {port}", "-c unix_socket_directories=", *settings])
    known = {
        **{name: value for name, value in wish.env.items() if name in {"TZ", "PGTZ"}},
        "HEADWAY_BIN": str(programs),
        "HEADWAY_AS": " ".join(_not_root()),
        "HEADWAY_USER": user,
        "HEADWAY_DB": wish.env.get("POSTGRES_DB") or user,
        "HEADWAY_AUTH": "trust" if trust else "scram-sha-256",
        "HEADWAY_INIT": wish.env.get("POSTGRES_INITDB_ARGS", ""),
        "HEADWAY_OPTIONS": options,
        "HEADWAY_SECONDS": _SECONDS,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGPASSWORD": wish.env.get("POSTGRES_PASSWORD") or secrets.token_hex(16),
    }
    stop = f"{known['HEADWAY_AS']} '{programs}/pg_ctl' -D data -m immediate stop"
    (room.folder / "stop").write_text(stop, "utf-8")
    return room.run(["/bin/sh", "-euc", _POSTGRES], known)


_POSTGRES = """\
if ! test -f ready; then
    rm -rf data
    umask 077
    printf '%s' "$PGPASSWORD" >password
    $HEADWAY_AS "$HEADWAY_BIN/initdb" -D data -U "$HEADWAY_USER" --pwfile=password \
        --auth="$HEADWAY_AUTH" --encoding=UTF8 --locale=C.UTF-8 --no-sync $HEADWAY_INIT \
        >init.log 2>&1
    rm -f password
fi
rm -f data/postmaster.pid
$HEADWAY_AS "$HEADWAY_BIN/pg_ctl" -D data -l log -w -t "$HEADWAY_SECONDS" -o "$HEADWAY_OPTIONS" \
    start >pg_ctl.log 2>&1 </dev/null
if ! test -f ready; then
    if test "$HEADWAY_DB" != postgres; then
        "$HEADWAY_BIN/createdb" -U "$HEADWAY_USER" --maintenance-db=postgres -- "$HEADWAY_DB"
    fi
    touch ready
fi
"$HEADWAY_BIN/pg_isready" -q -t 30
"""


def _installed_postgres() -> dict[str, Path]:
    """Folders with the server's programs, by major version."""
    found: dict[str, Path] = {}
    for place in _PLACES:
        for folder in Path("/").glob(f"{place[1:]}/*/bin"):
            if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file():
                found[_major(folder.parent.name)] = folder
    path = os.environ.get("PATH") or os.defpath
    if (there := shutil.which("initdb", path=path)) and not found:
        told = subprocess.run([there, "--version"], capture_output=True, text=True, check=False)
        found[_major(told.stdout)] = Path(there).resolve().parent
    return found


def _major(text: str) -> str:
    number = re.search(r"[0-9]+", text)
    return number.group() if number else "0"


@functools.cache
def _not_root() -> tuple[str, ...]:
    """What to put before a server that refuses to be root: another user, in a namespace only.

    Raises Refused (`no-server`).
    """
    if os.geteuid():
        return ()
    words = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    if shutil.which("unshare") and not subprocess.run([*words, "true"], check=False).returncode:
        return words
    raise Refused(
        "PostgreSQL does not run as root, and this machine gives no user namespace",
        next="run Headway as another user",
        code="no-server",
    )


def _redis(wish: Wish) -> Provider:
    path = os.environ.get("PATH") or os.defpath
    server = shutil.which("redis-server", path=path) or shutil.which("valkey-server", path=path)
    if not server:
        raise Refused(
            f"the service `{wish.name}` needs Redis, which is not installed here",
            next="install redis-server, or podman",
            code="no-server",
        )
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"v=([0-9]+)", told.stdout)
    _redis_flags(wish)
    return Provider(number.group(1) if number else "", functools.partial(_start_redis, server))


def _redis_flags(wish: Wish) -> list[str]:
    """What follows `redis-server` in `command`, as the image's page writes it. Raises Refused."""
    words = list(wish.command)
    if words and words[0] in {"redis-server", "valkey-server"}:
        words = words[1:]
    names, values = words[::2], words[1::2]
    bad = [name for name in names if name not in _REDIS_FLAGS]
    if bad or len(names) != len(values):
        raise Refused(
            f"the service `{wish.name}` cannot be started: its `command` needs a container",
            why=f"without one it is `redis-server` with {', '.join(sorted(_REDIS_FLAGS))}",
            code="bad-service",
        )
    return words


def _start_redis(server: str, wish: Wish, room: Room, port: int) -> int:
    folder = room.folder
    flags = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    flags += ["--appendonly", "yes", "--appendfsync", "no", "--logfile", str(folder / "log")]
    flags += ["--daemonize", "yes", "--pidfile", str(folder / "pid")]
    (folder / "stop").write_text(_END_REDIS, "utf-8")
    given = _redis_flags(wish)
    if given:
        # In a file: a password has no place among arguments that every process can read.
        lines = [
            f"{n.removeprefix('--')} {_quoted(v)}"
            for n, v in zip(given[::2], given[1::2], strict=True)
        ]
        conf = folder / "conf"
        conf.touch(mode=0o600)
        conf.write_text("\n".join(lines), "utf-8")
        flags = [str(conf), *flags]
    if code := room.run([server, *flags]):
        return code
    return room.run(["/bin/bash", "-c", _PING, "ping", str(port)])


def _quoted(value: str) -> str:
    """As redis.conf writes text: in quotes, other than letters and digits as bytes."""
    plain = re.compile(rb"[A-Za-z0-9_./:@-]")
    packed = (bytes([byte]) for byte in value.encode())
    return '"' + "".join(b.decode() if plain.match(b) else f"\\x{b.hex()}" for b in packed) + '"'


_END_REDIS = """\
read -r pid <pid && kill -9 "$pid"
tries=0
while kill -0 "$pid" && test $tries -lt 200; do tries=$((tries + 1)); sleep 0.01; done
"""
_PING = """\
for _ in $(seq 600); do
    if exec 3<>"/dev/tcp/127.0.0.1/$1"; then
        printf 'PING\\r\\n' >&3
        if read -r -t 5 answer <&3; then
            case "$answer" in +PONG*|-NOAUTH*) exit 0 ;; esac
        fi
    fi 2>/dev/null
    sleep 0.1
done
exit 1
"""

PROVIDERS: dict[str, Callable[[Wish], Provider]] = {"postgres": _postgres, "redis": _redis}
