"""Where requests go: the whole wanted state of one service in one environment, and what is seen."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One instance's address. A draining endpoint gets no new request; a live one finishes."""

    host: str
    port: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Backend:
    """One release's instances. A release is one immutable cluster; only its endpoints change."""

    release: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copies of users' requests go to `release`, which has no users; its answers are thrown away.

    `share`: of the users' requests, 0 to 1. `watch`: the Unix socket of somebody who compares
    answers and is sent copies too; empty: nobody is.
    """

    release: str
    share: float
    watch: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """Declarative: the router makes the world so, or refuses. `shares` sum to 1.

    `generation` orders changes: an older one than the last applied is refused (Drifted), the same
    one again with the same content changes nothing.
    `rollout` names the sticky cookie, so that an old cookie means nothing in the next rollout.
    `routes`: paths that are counted by themselves; `/checkout` stands for all below it, too.
    """

    service: str
    environment: str
    generation: int
    backends: tuple[Backend, ...]
    shares: dict[str, float]
    rollout: str = ""
    host: str | None = None
    port: int | None = None
    sticky_header: str | None = None
    sticky_cookie: str | None = None
    tester_header: str = "x-headway-release"
    timeout_seconds: float = 15.0
    mirror: Mirror | None = None
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routed:
    """Read back from the proxy, never remembered. `version` is the proxy's own word for what is in
    force. `address` is where users reach the service (http://host:port). `endpoints`: the instances
    that the proxy knows, per release. `routes`: the paths that it counts by themselves.
    """

    generation: int
    version: str
    shares: dict[str, float]
    address: str
    endpoints: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    mirror: Mirror | None = None
    routes: tuple[str, ...] = ()
