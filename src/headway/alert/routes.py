"""What pages and what becomes a ticket: the default routing table.

A page is for harm to users now; everything else waits for working hours. Asked by alert/state
through flows/alerting; printed by `headway alert routes` and docs/reference/alerts.md.
"""

from dataclasses import dataclass

from headway.model.alert import Severity, Symptom
from headway.model.service import AlertPolicy, Composite, Tier


@dataclass(frozen=True, slots=True)
class Route:
    """`source`: what tells it. `confirm_seconds`: how long it must last before anybody is told, so
    that what heals at once wakes nobody.
    """

    rule: str
    severity: Severity
    means: str
    source: str
    confirm_seconds: float = 0.0


NONE_YET = "nothing tells it yet"
ROUTES = (
    Route(
        "slo_burn",
        "page",
        "an SLO burns its error budget fast; a ticket for its slow windows (label `severity`)",
        "burn rates of every SLO",
    ),
    Route("slo_breach", "page", "an SLI that users feel is below its goal", NONE_YET),
    Route(
        "outage",
        "page",
        "users still get errors on the last known good release",
        "`rollout.recovered` with FAIL",
    ),
    Route(
        "rollback_failed",
        "page",
        "the way back was decided and did not take hold",
        "`delivery.finished` after `rollout.failed`, without `rollout.rolled_back`",
    ),
    Route(
        "canary_failed_with_slo_breach",
        "page",
        "a rollout failed while an SLO was breached or burning",
        "`rollout_failed` and any `slo` rule together",
    ),
    Route("secret_found", "page", "a scanner found a secret in a commit", NONE_YET),
    Route(
        "rollout_failed", "ticket", "a release was rolled back by itself", "`rollout.rolled_back`"
    ),
    Route(
        "deploy_failed",
        "ticket",
        "a release failed before any user reached it",
        "`rollout.rolled_back` without a step in force, `rollout.closed`",
    ),
    Route("rollout_held", "ticket", "a rollout waits for a person", "`rollout.held`"),
    Route(
        "pipeline_failed",
        "ticket",
        "build or tests failed, no release was made",
        "`delivery.finished` without a release",
    ),
    Route(
        "slow_delivery",
        "ticket",
        "a job, the start of a release or its tests took more than twice as long as usual",
        "`delivery.finished`, beside the last 20 that succeeded",
    ),
    Route(
        "pipeline_flaky",
        "ticket",
        "a job fails and passes on one commit",
        "`delivery.finished`, beside others of its commit",
    ),
    Route(
        "delivery_refused",
        "ticket",
        "a gate, a policy or a person's answer ended a delivery",
        "`delivery.finished` with `refused`",
    ),
    Route(
        "signature_refused",
        "ticket",
        "signature or provenance of an artifact is not as it must be; it was not deployed",
        "`artifact.verified` with FAIL",
    ),
    Route(
        "policy_broke", "ticket", "a policy raised an error, which counts as no", "`gates.judged`"
    ),
    Route(
        "quarantined",
        "ticket",
        "a digest is refused from now on",
        "`artifact.quarantined` of a rollout",
        30.0,  # the rollback that it belongs to is told first, as one alert
    ),
    Route(
        "drift",
        "ticket",
        "a place was not as released; `place.mended` if Headway made it so again",
        "`place.astray`, `place.mended`",
    ),
    Route("config_diff", "ticket", "configuration differs from what was declared", NONE_YET),
    Route(
        "metrics_missing",
        "ticket",
        "a place serves and nothing is measured there",
        "a look at every place",
        60.0,
    ),
    Route(
        "line_stopped",
        "ticket",
        "a person stopped the line: nothing it covers moves on",
        "`line.stopped`, over with `line.started`",
    ),
    Route("push_refused", "ticket", "somebody pushed with a wrong token", "`push.refused`"),
    Route(
        "webhook_failing",
        "ticket",
        "a webhook's receiver takes nothing for an hour, is gone, or a delivery was given up",
        "`webhook.failing`, `webhook.gave_up`, `webhook.paused` by Headway",
    ),
    Route("stale_dashboard", "ticket", "a dashboard shows old data", NONE_YET),
)
BY_RULE = {r.rule: r for r in ROUTES}
BUILT_IN = (Composite("canary_failed_with_slo_breach", ("rollout_failed", "slo"), "page"),)


def severity(symptom: Symptom, policy: AlertPolicy, tier: Tier | None) -> Severity | None:
    """How urgent this symptom is by itself; None: it only feeds a composite.

    A page is for production (an unknown tier counts as production). A rule that the service names
    in a composite never pages alone; one that the table does not know, only feeds it.
    """
    route, part = BY_RULE.get(symptom.rule), _is_part(symptom.rule, policy.composites)
    if route is None:
        own = next((c for c in policy.composites if c.name == symptom.rule), None)
        return own.severity if own else None if part else "ticket"
    if part or tier not in {None, "production"}:
        return "ticket"
    said = symptom.labels.get("severity", "") if matches("slo", symptom.rule) else ""
    return "ticket" if said == "ticket" else "page" if said == "page" else route.severity


def confirm_seconds(rule: str) -> float:
    """How long the rule must last before it is told."""
    return BY_RULE[rule].confirm_seconds if rule in BY_RULE else 0.0


def channels(policy: AlertPolicy, severity: Severity) -> tuple[str, ...]:
    """Who is told. The other list stands in only where this one is empty."""
    first, second = (
        (policy.page, policy.ticket) if severity == "page" else (policy.ticket, policy.page)
    )
    return first or second


def matches(name: str, rule: str) -> bool:
    """`slo_burn` names itself and its kinds: `slo_burn_fast`."""
    return rule == name or rule.startswith(f"{name}_")


def composites(policy: AlertPolicy) -> tuple[Composite, ...]:
    """Headway's own and the service's."""
    return (*BUILT_IN, *policy.composites)


def _is_part(rule: str, known: tuple[Composite, ...]) -> bool:
    return any(matches(name, rule) for c in known for name in c.all)
