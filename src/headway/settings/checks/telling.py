"""Would anybody be told, and can a composite alert ever be raised? Called by `checks`."""

import re
from collections.abc import Iterator

from headway.document import quoted
from headway.model.errors import Problem
from headway.model.service import Composite, Service
from headway.settings.checks.places import Places

_RULE = re.compile(r"[a-z][a-z0-9_]{0,49}")


def check(service: Service, at: Places) -> Iterator[Problem]:
    """Problems of alerts."""
    alerts = service.alerts
    if alerts.escalate_to and not (alerts.page or alerts.ticket):
        sentence = "`escalate` follows when a `page` is not acknowledged, and nobody is paged"
        yield at.problem(("alerts", "escalate"), sentence, "missing-key")
    for composite in alerts.composites:
        yield from _composite(composite, at)


def _composite(composite: Composite, at: Places) -> Iterator[Problem]:
    path = ("alerts", "composite", composite.name, "all")
    for index, rule in enumerate(composite.all):
        if not _RULE.fullmatch(rule):
            sentence = f"{quoted(rule)} is not the name of a rule, such as `slo_burn`"
            yield at.problem((*path, index), sentence, "name")
    if len(set(composite.all)) < len(composite.all):
        sentence = f"{quoted(composite.name)} names a rule twice: one symptom is not a composite"
        yield at.problem(path, sentence, "conflict")
