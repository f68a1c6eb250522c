"""From a symptom to an alert and its messages, in the transaction that found the symptom.

`report` is for everybody who sees something go wrong; `look` is for the clock: escalation,
reminders, ends of windows. Nothing here touches the world: messages go to the outbox, from which
flows/telling sends them.
"""

from dataclasses import replace

from headway.alert import routes, state, words
from headway.alert.sources import End
from headway.alert.state import Member, Quiet, Tell, Trouble
from headway.flows import alert_links
from headway.flows.world import World
from headway.model.alert import Symptom
from headway.model.event import Fact
from headway.model.service import AlertPolicy, Composite, Service, Tier
from headway.store import alerts, messages, records
from headway.store.database import Tx
from headway.store.log import About, append

SIGNAL_SECONDS = 3600.0  # so long a symptom that was told once counts for a composite


def report(tx: Tx, world: World, symptom: Symptom) -> None:
    """Something goes wrong, still goes wrong, or (`over`) no longer does.

    Safe to call again and again; people are told once. Never raises because of a channel.
    """
    _report(tx, symptom)
    config = alert_links.config(tx.connection, symptom.service, symptom.environment)
    for composite in routes.composites(config.alerts if config else AlertPolicy()):
        _weigh(tx, composite, symptom)


def end(tx: Tx, world: World, place: tuple[str, str], rules: frozenset[str]) -> None:
    """These rules are over in the service and environment, in whatever alert they are."""
    service, environment = place
    for signal in alerts.signals(tx.connection, service, environment):
        if signal.rule in rules:
            report(tx, world, _over(signal, tx.now))
    for trouble in alerts.open_at(tx.connection, service, environment):
        lasting = rules & {m.rule for m in trouble.members if not m.over}
        if lasting:
            _settle(tx, state.ended(trouble, lasting, tx.now))


def lift(tx: Tx, end: End) -> None:
    """A person ended what caused an alert: those who were told hear of it at once."""
    for signal in alerts.signals(tx.connection, end.service, end.environment):
        if (signal.rule, signal.cause) in {(rule, end.cause) for rule in end.rules}:
            alerts.signal(tx, _over(signal, tx.now))
    for trouble in alerts.open_at(tx.connection, end.service, end.environment):
        if not any(m.rule in end.rules and m.cause == end.cause for m in trouble.members):
            continue
        left = state.ended(trouble, end.rules, tx.now, end.cause)
        if all(m.over for m in left.members):
            _keep(tx, *state.resolve(left, tx.now, end.by), {"by": end.by})
        else:
            _settle(tx, left)


def look(tx: Tx, world: World) -> None:
    """What the passing of time alone brings about."""
    for signal in alerts.stale_signals(tx.connection, tx.now - SIGNAL_SECONDS):
        alerts.signal(tx, _over(signal, tx.now))
        config = alert_links.config(tx.connection, signal.service, signal.environment)
        known = routes.composites(config.alerts if config else AlertPolicy())
        for composite in known:
            _weigh(tx, composite, _over(signal, tx.now))
        if any(c.name == signal.rule for c in known):
            _report(tx, _over(signal, tx.now))
    for trouble in alerts.due(tx.connection, tx.now):
        _settle(tx, trouble)


def acknowledge(tx: Tx, alert: str, by: str, reason: str) -> Trouble:
    """Somebody takes care of it. Raises Invalid (`unknown-alert`)."""
    trouble = alerts.find(tx.connection, alert)
    trouble, tells = state.acknowledge(trouble, by, tx.now)
    return _keep(tx, trouble, tells, {"by": by, "reason": reason})


def resolve(tx: Tx, alert: str, by: str, reason: str) -> Trouble:
    """A person says that it is over; if it is not, the next symptom begins a new alert.

    Raises Invalid (`unknown-alert`).
    """
    trouble = alerts.find(tx.connection, alert)
    trouble, tells = state.resolve(trouble, tx.now, by)
    return _keep(tx, trouble, tells, {"by": by, "reason": reason})


def suppress(tx: Tx, window: Quiet) -> None:
    """Nobody is told of what the window covers, until it ends by itself."""
    alerts.suppress(tx, window)
    about = About(service=window.service, environment=window.environment)
    data: dict[str, object] = {
        "rule": window.rule,
        "begins": window.begins,
        "ends": window.ends,
        "by": window.by,
        "reason": window.reason,
    }
    append(tx, about, Fact("suppression.began", window.id, 0, data))
    _settle_all(tx, window.service)


def unsuppress(tx: Tx, chosen: list[Quiet], by: str, reason: str) -> None:
    """These windows end now; what lasts is told."""
    alerts.end_windows(tx, chosen)
    for window in chosen:
        about = About(service=window.service, environment=window.environment)
        append(tx, about, Fact("suppression.ended", window.id, 0, {"by": by, "reason": reason}))
    for service in {w.service for w in chosen}:
        _settle_all(tx, service)


def _settle_all(tx: Tx, service: str) -> None:
    for trouble in alerts.open_at(tx.connection, service):
        _settle(tx, trouble)


def _report(tx: Tx, symptom: Symptom) -> None:
    """The symptom itself, without what it means for composites."""
    alerts.signal(tx, symptom)
    group, known = _group(tx, symptom)
    if symptom.over:
        if known:
            _settle(tx, state.ended(known, {symptom.rule}, tx.now, symptom.cause))
        return
    config = alert_links.config(tx.connection, symptom.service, symptom.environment)
    policy = config.alerts if config else AlertPolicy()
    severity = routes.severity(symptom, policy, _tier(config, symptom.environment))
    if severity is None:
        return
    member = Member(
        symptom.rule,
        severity,
        symptom.summary,
        tx.now,
        tx.now,
        routes.confirm_seconds(symptom.rule),
        cause=symptom.cause,
    )
    if known:
        trouble = state.join(known, symptom, member)
    else:
        trouble = state.begin(alerts.new_id(tx), group, member)
    _count(tx, _settle(tx, trouble), symptom.rule)


def _group(tx: Tx, symptom: Symptom) -> tuple[Symptom, Trouble | None]:
    """The symptom as it is grouped, and the open alert it belongs to, if there is one.

    One that is known stays where it is. Else a deploy is the root cause of what is seen of its
    release while it is rolled out, or while the release has an open alert.
    """
    place = records.place(tx.connection, symptom.service, symptom.environment)
    if symptom.cause:
        for trouble in alerts.open_at(tx.connection, symptom.service, symptom.environment):
            if state.has(trouble, symptom):
                return symptom, trouble
    if symptom.cause and symptom.release:
        by_release = replace(symptom, cause="")
        known = alerts.open_by_key(tx.connection, state.key(by_release))
        if known or place.candidate == symptom.release:
            return by_release, known
    return symptom, alerts.open_by_key(tx.connection, state.key(symptom))


def _weigh(tx: Tx, composite: Composite, symptom: Symptom) -> None:
    """Raise the composite while all of its parts last; its end is told like any other's."""
    if symptom.rule == composite.name:
        return
    found = alerts.signals(tx.connection, symptom.service, symptom.environment)
    own = next((s for s in found if s.rule == composite.name), None)
    parts = [s for s in found if s is not own and tx.now - s.seen <= SIGNAL_SECONDS]
    if all(any(routes.matches(n, s.rule) for s in parts) for n in composite.all):
        if any(routes.matches(n, symptom.rule) for n in composite.all) and not symptom.over:
            _complete(tx, composite, symptom, own)
    elif own:
        _report(tx, _over(own, tx.now))


def _complete(tx: Tx, composite: Composite, symptom: Symptom, own: alerts.Signal | None) -> None:
    """All parts last. It joins the alert of the part that completed it, and is counted once."""
    head = own or symptom
    whole = replace(
        symptom,
        rule=composite.name,
        release=head.release,
        cause=head.cause,
        summary=f"{composite.name}: {' and '.join(composite.all)}; {symptom.summary}",
    )
    _, known = _group(tx, whole)
    if own and known and state.has(known, whole):
        alerts.signal(tx, whole)
    else:
        _report(tx, whole)


def _over(signal: alerts.Signal, now: float) -> Symptom:
    return Symptom(
        signal.rule,
        signal.service,
        signal.environment,
        "",
        now,
        release=signal.release,
        cause=signal.cause,
        over=True,
    )


def _tier(config: Service | None, environment: str) -> Tier | None:
    if config is None:
        return None
    return next((e.tier for e in config.environments if e.name == environment), None)


def _count(tx: Tx, trouble: Trouble, rule: str) -> None:
    """Which window swallowed this symptom, if one did."""
    for window in alerts.windows(tx.connection, trouble.alert.service, tx.now):
        if state.covers(window, trouble.alert, rule, tx.now):
            alerts.swallowed(tx, window.id, symptoms=1)
            return


def _settle(tx: Tx, trouble: Trouble) -> Trouble:
    alert = trouble.alert
    config = alert_links.config(tx.connection, alert.service, alert.environment)
    policy = alert_links.policy(tx.connection, config, alert.service)
    windows = alerts.windows(tx.connection, alert.service, tx.now)
    trouble, tells = state.settle(trouble, windows, policy, tx.now)
    return _keep(tx, trouble, tells, {})


def _keep(tx: Tx, trouble: Trouble, tells: tuple[Tell, ...], data: dict[str, object]) -> Trouble:
    """Record the alert, its facts and its messages together."""
    alert = trouble.alert
    config = alert_links.config(tx.connection, alert.service, alert.environment)
    policy = alert_links.policy(tx.connection, config, alert.service)
    if tells:
        links = alert_links.links(tx.connection, alert, config)
        trouble = replace(trouble, alert=replace(alert, links=alert.links | links))
    for tell in tells:
        _tell(tx, trouble, tell, policy, data)
    windows = alerts.windows(tx.connection, alert.service, tx.now)
    alerts.put(tx, trouble, state.wake_at(trouble, windows, policy, tx.now))
    return trouble


def _tell(
    tx: Tx, trouble: Trouble, tell: Tell, policy: AlertPolicy, data: dict[str, object]
) -> None:
    alert = trouble.alert
    told = _channels(trouble, tell, policy)
    about = About(alert.labels.get("delivery", ""), alert.service, alert.environment, alert.release)
    fact: dict[str, object] = {
        "severity": alert.severity,
        "rule": alert.rule,
        "key": alert.key,
        "summary": alert.summary,
        "count": alert.count,
        "channels": list(told),
        **data,
    }
    if tell.what == "suppressed":
        fact["window"] = trouble.window
        alerts.swallowed(tx, trouble.window, alerts=1)
    append(tx, about, Fact(f"alert.{tell.what}", alert.id, tell.number, fact))
    reason = str(data.get("reason", ""))
    for channel in told:
        messages.post(tx, channel, alert.id, words.message(trouble, tell, tx.now, reason))


def _channels(trouble: Trouble, tell: Tell, policy: AlertPolicy) -> tuple[str, ...]:
    """Who hears of it: those for its urgency; of its end and its acknowledgement who was told."""
    if tell.what == "suppressed" or not trouble.told_as:
        return ()
    usual = routes.channels(policy, trouble.told_as)
    if tell.what == "escalated":
        return policy.escalate_to
    if tell.what in {"resolved", "acknowledged"} and trouble.alert.escalated:
        return tuple(dict.fromkeys((*usual, *policy.escalate_to)))
    return usual
