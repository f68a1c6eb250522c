"""Every noun's router, in the order of the document."""

from headway.api.v1 import (
    accounts,
    alerts,
    approvals,
    artifacts,
    commits,
    deliveries,
    deployments,
    environments,
    events,
    line,
    live,
    notifications,
    releases,
    rollouts,
    run_files,
    runs,
    search,
    services,
    slos,
    verdicts,
    webhooks,
)

_MODULES = (
    services, environments, commits, artifacts, releases, deliveries, deployments, rollouts,
    verdicts, approvals, slos, alerts, runs, run_files, line, search, webhooks,
    notifications, accounts, events, live,
)  # fmt: skip
ROUTERS = tuple(module.router for module in _MODULES)
