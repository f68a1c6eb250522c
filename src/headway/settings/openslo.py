"""OpenSLO v1 files (github.com/OpenSLO/OpenSLO, README.md) as Headway's SLOs.

Called where headway.yaml is read at a commit (flows/build.py, cli/repository.py): `openslo: FILE`
of an SLO names a file of the same commit. A file holds documents of the kinds SLO, SLI, AlertPolicy
and AlertCondition; what Headway could not keep is refused by name, with file:line:column.
"""

from collections.abc import Callable
from dataclasses import replace

from headway import document
from headway.document import Mapping, quoted
from headway.model.errors import Invalid, Problem
from headway.model.service import Service, Slo
from headway.settings.calendar import known
from headway.settings.checks.text import leaves
from headway.settings.openslo_object import TOP, Faults, Part, Thing
from headway.settings.openslo_parts import Indicator, alerts, indicator, window

VERSION = "openslo/v1"
KINDS = ("SLO", "SLI", "AlertPolicy", "AlertCondition")
OTHERS = ("DataSource", "Service", "AlertNotificationTarget")
MOST_DOCUMENTS = 50
_LEAST_TARGET = 0.5


def resolved(service: Service, read: Callable[[str], str]) -> Service:
    """The service with every `openslo` file read; `read` gives a file of the same commit.

    Raises Invalid with problems, and what `read` raises (`missing-file`).
    """
    if all(slo.openslo is None for slo in service.slos):
        return service
    slos = tuple(_read(service, s, read) if s.openslo else s for s in service.slos)
    return replace(service, slos=slos)


def _read(service: Service, slo: Slo, read: Callable[[str], str]) -> Slo:
    path = slo.openslo or ""
    if leaves(path):
        said = f"`openslo` leaves the repository: {quoted(path)}"
        raise Invalid(said, next="write a path below headway.yaml's folder", code="outside")
    return slo_of(read(path), path, service.name, slo.name)


def slo_of(text: str, file: str, service: str, name: str) -> Slo:
    """The SLO of that name in the file, or its only one. Raises Invalid with every problem."""
    faults = Faults(file)
    things = [t for part in _documents(text, file) if (t := _thing(part, faults))]
    wanted = [t for t in things if t.kind == "SLO"]
    chosen = next((t for t in wanted if t.name == name), wanted[0] if len(wanted) == 1 else None)
    found = None
    if chosen is None:
        known = ", ".join(t.name for t in wanted) or "none"
        said = f"the file has no SLO called {quoted(name)}; it has {known}"
        faults.found.append(Problem(file, 1, 1, said, "unknown-name"))
    else:
        found = _slo(chosen, things, service, name)
    if faults.found or found is None:
        raise document.invalid(faults.found)
    return replace(found, openslo=file)


def _documents(text: str, file: str) -> list[Mapping]:
    """Each document of the text, its places kept: what is above it is left as empty lines."""
    lines, starts = text.split("\n"), [0]
    starts += [i + 1 for i, line in enumerate(lines) if line.rstrip() == "---"]
    if len(starts) > MOST_DOCUMENTS:
        said = f"more than {MOST_DOCUMENTS} documents in one file"
        raise document.invalid([Problem(file, starts[-1], 1, said, "too-large")])
    found = []
    for start, end in zip(starts, [*(s - 1 for s in starts[1:]), len(lines)], strict=True):
        if not any(line.strip() and not line.lstrip().startswith("#") for line in lines[start:end]):
            continue
        node = document.read("\n" * start + "\n".join(lines[start:end]), file)
        if not isinstance(node, Mapping):
            said = "an object of OpenSLO is a block of keys"
            raise document.invalid(
                [Problem(file, node.at.line, node.at.column, said, "wrong-type")]
            )
        found.append(node)
    return found


def _thing(node: Mapping, faults: Faults) -> Thing | None:
    top = Part(node, "an OpenSLO object", faults)
    top.only(*TOP)
    version, kind = top.text("apiVersion", needed=True), top.text("kind", needed=True)
    if version and version != VERSION:
        said = f"`apiVersion` must be {VERSION}, not {quoted(version)}"
        faults.add(top.at("apiVersion"), said, "unsupported")
    if kind in OTHERS:
        said = f"the kind {kind} has no meaning in Headway. Leave it out"
        faults.add(top.at("kind"), said, "unsupported")
    elif kind and kind not in KINDS:
        said = f"unknown kind {quoted(kind)}. Known: {', '.join(KINDS)}"
        faults.add(top.at("kind"), said, "unknown-name")
    metadata, spec = top.part("metadata", needed=True), top.part("spec", needed=True)
    if metadata is None or spec is None or kind not in KINDS:
        return None
    metadata.only("name", "displayName", "labels", "annotations")
    return Thing(kind, metadata.text("name", needed=True), top, spec)


def _slo(thing: Thing, things: list[Thing], service: str, name: str) -> Slo:
    spec = thing.spec
    spec.only(
        "description", "service", "indicator", "indicatorRef", "timeWindow",
        "budgetingMethod", "objectives", "alertPolicies",
    )  # fmt: skip
    if (owner := spec.text("service", needed=True)) and owner != service:
        said = f"this SLO is of the service {quoted(owner)}, headway.yaml is of {quoted(service)}"
        spec.faults.add(spec.at("service"), said, "other-service")
    if (method := spec.text("budgetingMethod", needed=True)) not in {"", "Occurrences"}:
        said = f"`budgetingMethod` {quoted(method)} is not read here: Headway counts Occurrences"
        spec.faults.add(spec.at("budgetingMethod"), said, "unsupported")

    def find(kind: str, wanted: str) -> Thing | None:
        return next((t for t in things if (t.kind, t.name) == (kind, wanted)), None)

    counts, period = _indicator(spec, find), window(spec)
    target, under = _objective(spec, counts)
    conditions = tuple(alerts(spec, find))
    return Slo(
        name=name,
        sli="latency" if counts.by_threshold else "availability",
        target=target,
        under_seconds=under,
        window_seconds=period.seconds,
        calendar=period.calendar,
        zone=_zone(spec, period.zone),
        source=counts.source,
        bad=counts.bad,
        good=counts.good,
        total=counts.total,
        conditions=conditions,
    )


def _zone(spec: Part, zone: str) -> str:
    if not known(zone):
        spec.faults.add(spec.at("timeWindow"), f"no time zone is called {quoted(zone)}", "zone")
    return zone


def _indicator(spec: Part, find: "Callable[[str, str], Thing | None]") -> Indicator:
    inline, name = spec.part("indicator"), spec.text("indicatorRef")
    if inline is not None:
        inline.only("metadata", "spec")
        inside = inline.part("spec", needed=True)
        return indicator(inside) if inside else Indicator()
    if not name:
        spec.faults.add(spec.node, "an SLO needs `indicator` or `indicatorRef`", "missing-key")
        return Indicator()
    found = find("SLI", name)
    if found is None:
        said = f"this file has no SLI called {quoted(name)}"
        spec.faults.add(spec.at("indicatorRef"), said, "unknown-name")
    return indicator(found.spec) if found else Indicator()


def _objective(spec: Part, counts: Indicator) -> tuple[float, float | None]:
    """The target, and for a latency its bound in seconds."""
    found = list(spec.parts("objectives"))
    if len(found) != 1:
        at = found[1].node if found else spec.node
        spec.faults.add(at, "an SLO has one objective here. Write one SLO for each", "unsupported")
        return 0.0, None
    part = found[0]
    part.only(
        "displayName", "op", "value", "target", "targetPercent",
        meaningless="timeSliceTarget timeSliceWindow indicator indicatorRef compositeWeight",
    )  # fmt: skip
    return _target(part), _under(part) if counts.by_threshold else None


def _target(part: Part) -> float:
    target, percent = part.number("target"), part.number("targetPercent")
    if (target is None) == (percent is None):
        said = "an objective needs one of `target` and `targetPercent`"
        part.faults.add(part.node, said, "conflict")
        return 0.0
    share = target if target is not None else round((percent or 0.0) / 100, 12)
    if not _LEAST_TARGET <= share < 1.0:
        said = "the target lies between 50% and 100%, and leaves a budget: for example 99.9%"
        part.faults.add(part.at("target" if target is not None else "targetPercent"), said, "range")
    return share


def _under(part: Part) -> float | None:
    value, op = part.number("value"), part.text("op", needed=True)
    if op not in {"lt", "lte"}:
        said = "`op` of a latency is lt or lte: a good request is faster than `value`"
        part.faults.add(part.at("op"), said, "unsupported")
    if value is None or not 0 < value <= 60:
        part.faults.add(part.at("value"), "`value` is a latency in seconds, up to 60", "range")
    return value
