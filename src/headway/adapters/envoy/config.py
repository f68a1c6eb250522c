"""The documents Envoy reads: bootstrap, listener, cluster, endpoints. Pure functions, no I/O.

Called by proxy and router. Formats: Envoy API v3 (envoyproxy.io/docs, `api-v3`). A document is a
function of its arguments alone; a cluster's takes only service and release, because Envoy resets a
cluster's counters when its definition changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.envoy.admin import Json
from headway.model.routing import Endpoint

_TYPE = "type.googleapis.com/envoy"
# TEST-NET-1 (RFC 5737): nobody's address, so that nobody counts as "internal" and may steer the
# proxy by x-envoy-* headers. An empty list would mean the private ranges.
_NOBODY = {"address_prefix": "192.0.2.255", "prefix_len": 32}


# No release is called so (a release's name begins with a letter or digit): who compares answers.
WATCH = ".watch"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests of one release may be under way at once: `connections`, and as many as
    `pending` wait for one. What is more is answered 503 at once, so that an application that hangs
    holds neither the proxy's memory nor other services' users.
    """

    connections: int = 2048
    pending: int = 1024


LIMITS = Limits()


def cluster_name(service: str, release: str) -> str:
    """Service names hold no underscore, so the first `__` always ends the service."""
    return f"{service}__{release}"


def release_of(cluster: str) -> str:
    """The release a cluster stands for."""
    return cluster.partition("__")[2]


def bootstrap(folder: Path, admin_socket: Path, environment: str) -> Json:
    """What Envoy is started with; all the rest it reads from lds.yaml and cds.yaml in `folder`."""
    monitor = "envoy.resource_monitors.global_downstream_max_connections"
    return {
        "node": {"id": f"headway-{environment}", "cluster": "headway"},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "stats_flush_interval": "1s",
        "dynamic_resources": {
            "cds_config": file_source(folder / "cds.yaml"),
            "lds_config": file_source(folder / "lds.yaml"),
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": monitor,
                    "typed_config": {
                        "@type": f"{_TYPE}.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 10000,
                    },
                }
            ]
        },
    }


def file_source(path: Path) -> Json:
    """A config source that is a watched file."""
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def cluster(folder: Path, service: str, release: str, limits: Limits) -> Json:
    """One release's cluster. Never edited once written.

    Panic routing is off: it would send requests to draining instances when they are the majority.
    Outlier ejection counts only what the application did not say itself (no connection, reset,
    502 to 504), so that a canary's own errors stay visible to the judge.
    """
    name = cluster_name(service, release)
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {"eds_config": file_source(folder / f"eds-{name}.yaml")},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_threshold(limits)]},
        "outlier_detection": _OUTLIERS,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _UPSTREAM_HTTP
        },
    }


def watch(service: str, socket: str) -> Json:
    """Who compares answers. One request at a time: what comes meanwhile is dropped by the proxy."""
    name = cluster_name(service, WATCH)
    endpoint = {"endpoint": {"address": {"pipe": {"path": socket}}}}
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [_threshold(Limits(1, 1))]},
    }


def _threshold(limits: Limits) -> Json:
    """`max_requests` is for HTTP/2 alone, where one connection has many."""
    return {
        "max_connections": limits.connections,
        "max_pending_requests": limits.pending,
        "max_requests": limits.connections + limits.pending,
        "max_retries": 64,
    }


# Not split by origin: split, each connection that opens forgives what failed before it, and an
# instance that takes requests and drops them is never ejected (seen with 1.40).
_OUTLIERS: Json = {
    "interval": "1s",
    "base_ejection_time": "5s",
    "max_ejection_time": "30s",
    "max_ejection_percent": 50,
    "split_external_local_origin_errors": False,
    "consecutive_5xx": 0,
    "enforcing_consecutive_5xx": 0,
    "enforcing_success_rate": 0,
    "consecutive_gateway_failure": 5,
    "enforcing_consecutive_gateway_failure": 100,
}
# Application servers close idle connections after 2 s (gunicorn) or 5 s (uvicorn, node) by
# default. A request written in that moment is lost, so Envoy lets go first.
_UPSTREAM_HTTP: Json = {
    "@type": f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
    "common_http_protocol_options": {"idle_timeout": "1s"},
    "explicit_http_config": {"http_protocol_options": {}},
}


def endpoints(cluster: str, found: Iterable[Endpoint]) -> Json:
    """The instances of one cluster; a draining one gets no new request."""
    return {
        "@type": f"{_TYPE}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [
            {
                "lb_endpoints": [
                    {
                        "health_status": "DRAINING" if e.draining else "HEALTHY",
                        "endpoint": {"address": _address(e.host, e.port)},
                    }
                    for e in sorted(found, key=lambda e: (e.host, e.port))
                ]
            }
        ],
    }


def listener(folder: Path, service: str, host: str, port: int) -> Json:
    """The service's door. Without SO_REUSEPORT: with it, a port that another proxy holds would be
    shared in silence instead of refused.
    """
    return {
        "@type": f"{_TYPE}.config.listener.v3.Listener",
        "name": service,
        "enable_reuse_port": False,
        "address": _address(host, port),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _connection_manager(folder, service),
                    }
                ]
            }
        ],
    }


def _connection_manager(folder: Path, service: str) -> Json:
    http = f"{_TYPE}.extensions.filters"
    return {
        "@type": f"{http}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": service,
        "rds": {
            "route_config_name": service,
            "config_source": file_source(folder / f"rds-{service}.yaml"),
        },
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [_NOBODY]},
        "server_header_transformation": "PASS_THROUGH",
        "normalize_path": True,
        "common_http_protocol_options": {
            "idle_timeout": "300s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "request_headers_timeout": "10s",
        "drain_timeout": "5s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "request_id_extension": {
            "typed_config": {
                "@type": f"{_TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{http}.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            }
        ],
    }


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def discovery(version: str, resources: list[Json]) -> Json:
    """The frame of a file: what the version of these resources is."""
    return {"version_info": version, "resources": resources}
