"""What `services:` and `container:` of a job ask for, as written, and what they mean here. Pure.

Called by services. The keys are those of the public documentation ("jobs.<job_id>.services").
"""

import re
import shlex
from collections.abc import Mapping, Set
from dataclasses import field
from typing import Any

from headway.model.errors import Refused
from headway.record import dataclass

NATIVE = ("postgres", "redis")
_OFFICIAL = re.compile(
    r"(?:(?:docker\.io|public\.ecr\.aws/docker|mirror\.gcr\.io)/)?(?:library/)?"
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(?::(?P<tag>[A-Za-z0-9._-]+))?(?:@sha256:[0-9a-f]{64})?"
)
_PORT = re.compile(r"(?:(?P<host>[0-9]{1,5}):)?(?P<inside>[0-9]{1,5})(?:/tcp)?")
_KEYS = {"image", "env", "ports", "options", "volumes", "credentials"}
_OF_SERVICES = {"command", "entrypoint"}
_HARMLESS = ("--health-", "--shm-size", "--name", "--hostname", "--network-alias", "--restart")


@dataclass(frozen=True, slots=True)
class Wish:
    """One service. `ports`: (wanted port outside, 0 for any; port inside), as written."""

    name: str
    image: str
    env: dict[str, str] = field(default_factory=dict)
    ports: tuple[tuple[int, int], ...] = ()
    options: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    credentials: tuple[str, str] | None = None
    entrypoint: str = ""
    command: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The native provider's name, or empty."""
        found = _OFFICIAL.fullmatch(self.image)
        return found["name"] if found and found["name"] in NATIVE else ""

    @property
    def major(self) -> str:
        """The major version that the tag asks for, or empty."""
        found = _OFFICIAL.fullmatch(self.image)
        number = re.match(r"[0-9]+", (found["tag"] or "") if found else "")
        return number.group() if number else ""


def wishes(services: Mapping[str, Any]) -> tuple[Wish, ...]:
    """Every service with an image. Raises Refused (`bad-service`)."""
    return tuple(w for name, given in services.items() if (w := _wish(name, given)).image)


def container(given: Any) -> Wish | None:
    """The container of a job; None if it has none. Raises Refused (`bad-service`)."""
    wish = _wish("container", given, _KEYS) if given else None
    return wish if wish is not None and wish.image else None


def native_fault(wish: Wish) -> str:
    """Why a native provider cannot give this; empty if it can."""
    if not wish.kind:
        return f"the image {wish.image[:100]!r} needs a container"
    if wish.entrypoint or (wish.command and wish.kind != "redis"):
        return "`entrypoint` and `command` need a container"
    if wish.volumes:
        return "`volumes` need a container"
    words = iter(wish.options)
    for word in words:
        if not word.startswith(_HARMLESS):
            return f"the option {word[:60]!r} needs a container"
        if "=" not in word and word != "--health-no":
            next(words, None)
    return ""


def _wish(name: str, given: Any, keys: Set[str] = _KEYS | _OF_SERVICES) -> Wish:
    if isinstance(given, str):
        return Wish(name, given.strip())
    if not isinstance(given, Mapping) or set(given) - keys:
        unknown = sorted(set(given) - keys) if isinstance(given, Mapping) else [str(given)[:40]]
        raise _bad(name, f"{', '.join(map(str, unknown))} cannot be understood")
    return Wish(
        name,
        str(given.get("image") or "").strip(),
        {str(k): _text(v) for k, v in (given.get("env") or {}).items()},
        tuple(_ports(name, port) for port in given.get("ports") or ()),
        _words(name, str(given.get("options") or "")),
        tuple(_volume(name, str(volume)) for volume in given.get("volumes") or ()),
        _credentials(name, given.get("credentials")),
        str(given.get("entrypoint") or ""),
        _words(name, str(given.get("command") or "")),
    )


def _volume(name: str, volume: str) -> str:
    """`volume:/inside`, `/outside:/inside` or `/inside`, each with `:ro` or the like."""
    source, colon, rest = volume.partition(":")
    inside = rest.partition(":")[0] if colon else source
    named = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", source)
    if not inside.startswith("/") or (colon and not named and not source.startswith("/")):
        raise _bad(name, f"the volume {volume[:80]!r} is not FROM:TO with absolute paths")
    return volume


def _credentials(name: str, given: Any) -> tuple[str, str] | None:
    if not given:
        return None
    if not isinstance(given, Mapping) or set(given) != {"username", "password"}:
        raise _bad(name, "`credentials` are `username` and `password`")
    return str(given["username"]), str(given["password"])


def _ports(name: str, port: object) -> tuple[int, int]:
    found = _PORT.fullmatch(_text(port).strip())
    numbers = (int(found["host"] or 0), int(found["inside"])) if found else (0, 0)
    if not 0 < numbers[1] < 65536 or numbers[0] > 65535:
        raise _bad(name, f"the port {str(port)[:40]!r} is neither PORT nor PORT:PORT")
    return numbers


def _words(name: str, options: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(options))
    except ValueError as error:
        raise _bad(name, f"`options`: {error}") from error


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _bad(name: str, why: str) -> Refused:
    return Refused(f"the service `{name[:60]}` cannot be started", why=why, code="bad-service")
