"""What an Envoy says it does now. Pure reading of its admin's answers; nothing is remembered.

Called by router (read-back) and metrics (per-instance counts). Formats: envoy.admin.v3
RoutesConfigDump, Clusters, Listeners.
"""

import re

from headway.adapters.envoy.admin import Admin, Json
from headway.adapters.envoy.config import WATCH, cluster_name
from headway.adapters.envoy.routes import counted_of, mirror_of, shares_of
from headway.model.routing import Endpoint, Mirror, Routed

Hosts = dict[str, list[Json]]


def routed(admin: Admin, service: str) -> Routed | None:
    """The service's routes in force and where users reach them; None if either is not there."""
    entry = _in_force(admin, service)
    address = listening(admin).get(service) if entry else None
    if entry is None or address is None:
        return None
    document, version = entry["route_config"], entry["version_info"]
    where = f"http://{address[0]}:{address[1]}"
    known = {
        cluster.partition("__")[2]: tuple(endpoint(h) for h in found)
        for cluster, found in hosts(admin, service).items()
    }
    shares = {release: s for release, s in shares_of(document).items() if s > 0}
    mirror, paths = _mirror(admin, service, document), tuple(sorted(counted_of(document).values()))
    return Routed(generation_of(version), version, shares, where, known, mirror, paths)


def counted(admin: Admin, service: str) -> dict[str, str]:
    """The paths that the routes in force count, by the name of their virtual cluster."""
    entry = _in_force(admin, service)
    return counted_of(entry["route_config"]) if entry else {}


def _in_force(admin: Admin, service: str) -> Json | None:
    found = admin.json("/config_dump?resource=dynamic_route_configs").get("configs", [])
    own = (e for e in found if e.get("route_config", {}).get("name") == service)
    return next(own, None)


def _mirror(admin: Admin, service: str, document: Json) -> Mirror | None:
    found = mirror_of(document)
    if found is None:
        return None
    release, share, watched = found
    return Mirror(release, share, _watcher(admin, service) if watched else "")


def _watcher(admin: Admin, service: str) -> str:
    """The socket that copies for comparison go to."""
    name = cluster_name(service, WATCH)
    clusters = admin.json("/clusters?format=json").get("cluster_statuses", [])
    hosts = [h for c in clusters if c["name"] == name for h in c.get("host_statuses", [])]
    return str(hosts[0]["address"]["pipe"]["path"]) if hosts else ""


def generation_of(version: str) -> int:
    """The generation in `g<generation>-<digest>`; -1 if Headway did not write that version."""
    found = re.match(r"g(\d+)-", version)
    return int(found[1]) if found else -1


def listening(admin: Admin) -> dict[str, tuple[str, int]]:
    """Host and port of each listener, by service."""
    found = admin.json("/listeners?format=json").get("listener_statuses", [])
    return {entry["name"]: _address(entry["local_address"]) for entry in found}


def hosts(admin: Admin, service: str) -> Hosts:
    """The service's releases as clusters, each with its instances' status objects."""
    found = admin.json("/clusters?format=json").get("cluster_statuses", [])
    prefix = f"{service}__"
    return {
        c["name"]: c.get("host_statuses", [])
        for c in found
        if c["name"].startswith(prefix) and c["name"] != cluster_name(service, WATCH)
    }


def endpoint(host: Json) -> Endpoint:
    """The instance that a status object tells of."""
    draining = host.get("health_status", {}).get("eds_health_status") == "DRAINING"
    name, port = _address(host["address"])
    return Endpoint(name, port, draining)


def in_flight(admin: Admin, service: str, wanted: Endpoint) -> int:
    """Requests that the instance at this address is answering, whatever release it is of."""
    count = 0
    for status in (h for found in hosts(admin, service).values() for h in found):
        seen = endpoint(status)
        if (seen.host, seen.port) == (wanted.host, wanted.port):
            count += numbers(status).get("rq_active", 0)
    return count


def numbers(host: Json) -> dict[str, int]:
    """An instance's counters and gauges. Envoy leaves a value of 0 out."""
    return {s["name"]: int(s.get("value", 0)) for s in host["stats"]}


def _address(found: Json) -> tuple[str, int]:
    socket = found["socket_address"]
    return socket["address"], int(socket["port_value"])
