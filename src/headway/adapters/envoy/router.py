"""EnvoyRouter: the whole routing of a service, written as files, believed when Envoy confirms it.

Called by flows through ports/traffic_router.py. The order makes before it breaks: endpoints, then
clusters, then routes; what the routes no longer name is removed last. Everything happens under one
lock per environment, and can be killed and asked again at any point.
"""

import time
from dataclasses import asdict, replace
from pathlib import Path

from headway.adapters.envoy import applied, config, files, observed, ports, routes, state
from headway.adapters.envoy.admin import Admin, Json
from headway.adapters.envoy.pending import Pending, clear_pending, read_pending, restore_pending
from headway.adapters.envoy.proxy import EnvoyProxy, Identity
from headway.adapters.envoy.watches import check_watches
from headway.model.errors import Drifted, Refused
from headway.model.routing import Backend, Endpoint, Routed, Routing
from headway.ports.traffic_router import TrafficRouter

_GONE = "removed"


class EnvoyRouter(TrafficRouter):
    """One Envoy per environment under `home`; listens on `listen` only."""

    def __init__(
        self, home: Path, listen: str = "127.0.0.1", limits: config.Limits = config.LIMITS
    ) -> None:
        self._home = home.resolve()
        self._listen = listen
        self._limits = limits

    def set(self, routing: Routing) -> Routed:
        """See TrafficRouter. Also raises Invalid (`bad-routing`), Refused (`port-in-use`,
        `port-forbidden`, `no-watches`), Failed (`no-envoy`, `proxy-died`).
        """
        routes.check(routing)
        proxy = self.proxy(routing.environment)
        proxy.make_folder()
        with files.locked(proxy.folder / "routing.lock"):
            return self._set(proxy, proxy.start(), routing)

    def observe(self, service: str, environment: str) -> Routed | None:
        """See TrafficRouter. A dead proxy is started again first, from its files."""
        proxy = self.proxy(environment)
        if not proxy.known:
            return None
        proxy.start()
        return observed.routed(proxy.admin, service)

    def in_flight(self, service: str, environment: str, endpoint: Endpoint) -> int:
        """See TrafficRouter. Ask while the endpoint is draining: once it is out of the routing,
        Envoy no longer tells of it. Raises Unreachable.
        """
        proxy = self.proxy(environment)
        if not proxy.known:
            return 0
        return observed.in_flight(proxy.admin, service, endpoint)

    def remove(self, service: str, environment: str, generation: int) -> None:
        """See TrafficRouter. Its port stays its own. Raises Drifted (`stale-generation`)."""
        proxy = self.proxy(environment)
        if not proxy.known:
            return
        with files.locked(proxy.folder / "routing.lock"):
            proxy.start()
            _remove(proxy, service, generation)

    def proxy(self, environment: str) -> EnvoyProxy:
        """The environment's process, for who starts, measures or stops it."""
        return EnvoyProxy(self._home, environment)

    def _set(self, proxy: EnvoyProxy, who: Identity, routing: Routing) -> Routed:
        digest = _digest(routing)
        version = f"g{routing.generation}-{digest[:12]}"
        former = state.read_asked(proxy.folder, routing.service)
        wanted = state.Asked(routing.generation, digest)
        state.fence(routing.service, former, wanted)
        pending = _settle(proxy, routing.service, version)
        port = self._port(proxy.admin, routing, former)
        check_watches(_new_watches(proxy.folder, routing))
        state.write_asked(proxy.folder, routing.service, replace(wanted, port=port))
        change = applied.Change(proxy.folder, proxy.admin, pending)
        try:
            self._apply(change, proxy, routing, (version, port))
        except applied.Rejected as error:
            state.write_asked(proxy.folder, routing.service, former)
            change.undo()
            raise self._refused(routing, port, str(error)) from error
        clear_pending(proxy.folder)
        self._record(proxy, who, routing, version)
        return _confirmed(proxy.admin, routing.service, version)

    def _apply(
        self, change: applied.Change, proxy: EnvoyProxy, routing: Routing, names: tuple[str, int]
    ) -> None:
        version, port = names
        leaving = _leaving(proxy, routing)
        staying = tuple(b for b in routing.backends if b not in leaving)
        self._apply_clusters(change, proxy, routing, staying)
        route = routes.route_configuration(routing, version)
        confirm = change.replace(
            applied.routes_of(routing.service), config.discovery(version, [route])
        )
        door = config.listener(proxy.folder, routing.service, self._listen, port)
        doors = _merged(proxy.folder / "lds.yaml", routing.service, [door], exact=True)
        change.apply(applied.LISTENERS, applied.discovery(doors))
        confirm()
        if leaving:
            self._apply_clusters(change, proxy, routing, leaving)
        _forget_clusters(change, proxy, routing)

    def _apply_clusters(
        self,
        change: applied.Change,
        proxy: EnvoyProxy,
        routing: Routing,
        backends: tuple[Backend, ...],
    ) -> None:
        """Endpoints, then clusters; returns when the proxy shows exactly the wanted instances."""
        service, confirms = routing.service, []
        for backend in backends:
            name = config.cluster_name(service, backend.release)
            assignment = applied.discovery([config.endpoints(name, backend.endpoints)])
            confirms.append(change.replace(applied.endpoints_of(name), assignment))
        wanted = [config.cluster(proxy.folder, service, b.release, self._limits) for b in backends]
        if routing.mirror is not None and routing.mirror.watch:
            wanted.append(config.watch(service, routing.mirror.watch))
        known = _merged(proxy.folder / "cds.yaml", f"{service}__", wanted)
        change.apply(applied.CLUSTERS, applied.discovery(known))
        for confirm in confirms:
            confirm()
        expected = {config.cluster_name(service, b.release): set(b.endpoints) for b in backends}
        while not _shows(observed.hosts(proxy.admin, service), expected):
            change.pause(f"the list of instances of {service}")

    def _port(self, admin: Admin, routing: Routing, former: state.Asked | None) -> int:
        wanted = routing.port or (former.port if former else None)
        if wanted is None:
            return ports.free_port(self._listen)
        if observed.listening(admin).get(routing.service) != (self._listen, wanted):
            ports.check_free(self._listen, wanted, routing.service)
        return wanted

    def _refused(self, routing: Routing, port: int, reason: str) -> Refused:
        if "Address already in use" in reason:
            return ports.port_refused(self._listen, port, routing.service, OSError(reason))
        return applied.refused(routing.service, reason)

    def _record(self, proxy: EnvoyProxy, who: Identity, routing: Routing, version: str) -> None:
        count = applied.counters(proxy.admin, applied.routes_of(routing.service))
        ledger = self._home / "ledger" / f"{routing.environment}-proxy.jsonl"
        reload = state.Reload(
            time.time(),
            routing.service,
            routing.generation,
            version,
            count["config_reload"],
            str(who),
        )
        state.record(ledger, reload)


def _digest(routing: Routing) -> str:
    """Of the content without its generation; the order of backends says nothing."""
    backends = tuple(sorted(routing.backends, key=lambda b: b.release))
    content = asdict(replace(routing, generation=0, backends=backends))
    if routing.mirror is None:
        del content["mirror"]
    if not routing.routes:
        del content["routes"]
    return files.short_digest(files.dump(content))


def _new_watches(folder: Path, routing: Routing) -> int:
    """Files that Envoy does not watch yet: endpoints of new releases, routes of a new service."""
    clusters = {r["name"] for r in files.resources(folder / "cds.yaml")}
    named = {config.cluster_name(routing.service, b.release) for b in routing.backends}
    doors = {r["name"] for r in files.resources(folder / "lds.yaml")}
    return len(named - clusters) + (routing.service not in doors)


def _settle(proxy: EnvoyProxy, service: str, version: str) -> Pending:
    """A note left by a change that was cut off: carry on with it if it is this change; else keep
    what it did if the proxy has it in force, and undo it if not.
    """
    found = read_pending(proxy.folder)
    if found is not None and (found.service, found.version) != (service, version):
        if found.version == _version_in_force(proxy.admin, found.service):
            clear_pending(proxy.folder)
        else:
            restore_pending(proxy.folder)
        found = None
    return found or Pending(service, version)


def _version_in_force(admin: Admin, service: str, within_seconds: float = 0.3) -> str | None:
    """Asked twice: a file that was renamed just now is in force a moment later."""
    time.sleep(within_seconds)
    found: str | None = applied.counters(admin, applied.routes_of(service)).get("version_text")
    return found


def _leaving(proxy: EnvoyProxy, routing: Routing) -> tuple[Backend, ...]:
    """Backends of which every instance drains. As long as the routes in force send anybody there,
    their endpoints must stay: a cluster without a healthy instance answers 503.
    """
    known = {r["name"] for r in files.resources(proxy.folder / "cds.yaml")}
    return tuple(
        b
        for b in routing.backends
        if all(e.draining for e in b.endpoints)
        and config.cluster_name(routing.service, b.release) in known
    )


def _shows(seen: observed.Hosts, expected: dict[str, set[Endpoint]]) -> bool:
    return all(
        name in seen and {observed.endpoint(h) for h in seen[name]} == found
        for name, found in expected.items()
    )


def _forget_clusters(change: applied.Change, proxy: EnvoyProxy, routing: Routing) -> None:
    """Clusters of releases that the routes, now in force, no longer name."""
    kept = {config.cluster_name(routing.service, b.release) for b in routing.backends}
    if routing.mirror is not None and routing.mirror.watch:
        kept.add(config.cluster_name(routing.service, config.WATCH))
    _drop_clusters(change, proxy, routing.service, kept)


def _drop_clusters(change: applied.Change, proxy: EnvoyProxy, service: str, kept: set[str]) -> None:
    found = files.resources(proxy.folder / "cds.yaml")
    gone = [r for r in found if _owner(r["name"]) == service and r["name"] not in kept]
    if not gone:
        return
    change.apply(applied.CLUSTERS, applied.discovery([r for r in found if r not in gone]))
    for resource in gone:
        (proxy.folder / applied.endpoints_of(resource["name"]).file).unlink(missing_ok=True)


def _owner(cluster: str) -> str:
    return cluster.partition("__")[0]


def _merged(path: Path, prefix: str, wanted: list[Json], *, exact: bool = False) -> list[Json]:
    """The file's resources and the wanted ones. A cluster that is there already is kept as it is;
    a listener (`exact`) is replaced.
    """
    found = {r["name"]: r for r in files.resources(path)}
    for resource in wanted:
        if exact or resource["name"] not in found:
            found[resource["name"]] = resource
    return [found[name] for name in sorted(found)]


def _confirmed(admin: Admin, service: str, version: str) -> Routed:
    seen = observed.routed(admin, service)
    if seen is None or seen.version != version:
        raise Drifted(
            f"The routing of {service} is not what was just applied",
            why=f"{version} was confirmed, and now {seen.version if seen else 'nothing'} is there",
            next=f"headway status {service}",
            code="routing-drifted",
        )
    return seen


def _remove(proxy: EnvoyProxy, service: str, generation: int) -> None:
    former = state.read_asked(proxy.folder, service)
    wanted = state.Asked(generation, _GONE, former.port if former else None)
    state.fence(service, former, wanted)
    version = f"g{generation}-{_GONE}"
    change = applied.Change(proxy.folder, proxy.admin, _settle(proxy, service, version))
    state.write_asked(proxy.folder, service, wanted)
    doors = [r for r in files.resources(proxy.folder / "lds.yaml") if r["name"] != service]
    change.apply(applied.LISTENERS, applied.discovery(doors))
    _wait_drained(change, proxy.admin)
    _drop_clusters(change, proxy, service, set())
    (proxy.folder / applied.routes_of(service).file).unlink(missing_ok=True)
    clear_pending(proxy.folder)


def _wait_drained(change: applied.Change, admin: Admin) -> None:
    """Requests under way still use the clusters until the closed listener is done with them."""
    name = "listener_manager.total_listeners_draining"
    while admin.json(f"/stats?format=json&filter=^{name}$")["stats"][0]["value"]:
        change.pause("the end of the requests under way")
