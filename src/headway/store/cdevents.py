"""Headway's events as CDEvents 0.5.1 in CloudEvents 1.0 JSON form: a projection at the edge.

Pure. Called by `headway events --cdevents` and for webhooks of the format cdevents. The formats are
those of cdevents.dev (spec, schemas and cloudevents-binding at v0.5.1; the binding puts the whole
CDEvent into the CloudEvent's data). What CDEvents has no word for becomes a custom event in its
reserved namespace, `dev.cdeventsx.headway-SUBJECT.PREDICATE`. Nothing is lost: `customData.event`
holds our event as it is, and `restore` reads it back. A delivery is one `pipelinerun`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from headway import typed
from headway.model.event import Event

SPEC = "0.5.1"
SOURCE = "/headway"
Json = dict[str, Any]
Content = Callable[[Event, Json, str], Json]
Applies = Callable[[str, Event], bool]

_PIPELINE_OUTCOMES = {
    "delivered": "success",
    "failed": "failure",
    "rolled_back": "failure",
    "refused": "failure",
    "superseded": "cancel",
    "cancelled": "cancel",
}


def project(event: Event, source: str = SOURCE) -> list[Json]:
    """The CloudEvents of one event, at least one; `source` is a URI reference naming this Headway.

    The first has the event's id; a second one (an artifact is packaged and signed) has `#` added.
    """
    kind = event.kind.partition(":")[0]
    known = [s for s in _KNOWN if s.applies(kind, event)]
    told = [(s.type, subject) for s in known if (subject := s.subject(event, source))]
    if not told:
        return [_cloud(event, source, event.id, _custom_type(kind), _custom(event, source))]
    return [
        _cloud(event, source, event.id + (f"#{n}" if n else ""), type, subject)
        for n, (type, subject) in enumerate(told)
    ]


def restore(cloud: Json) -> Event:
    """Our event out of one of its CloudEvents."""
    return typed.convert(cloud["data"]["customData"]["event"], Event)


def _cloud(event: Event, source: str, id: str, type: str, subject: Json) -> Json:
    time = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="microseconds")
    time = time.replace("+00:00", "Z")
    context = {"specversion": SPEC, "id": id, "source": source, "type": type, "timestamp": time}
    if event.delivery:
        context["chainId"] = event.delivery
    return {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": type,
        "subject": subject["id"],
        "time": time,
        "datacontenttype": "application/json",
        "data": {
            "context": context,
            "subject": subject,
            "customData": {"event": msgspec.to_builtins(event)},
            "customDataContentType": "application/json",
        },
    }


def _custom_type(kind: str) -> str:
    """`rollout.rolled_back` is `dev.cdeventsx.headway-rollout.rolledback.0.1.0`."""
    subject, _, predicate = kind.partition(".")
    letters = [re.sub(r"[^a-zA-Z]", "", part) or "event" for part in (subject, predicate)]
    return f"dev.cdeventsx.headway-{letters[0]}.{letters[1]}.0.1.0"


def _custom(event: Event, source: str) -> Json:
    names = ("delivery", "service", "environment", "release")
    content = {n: getattr(event, n) for n in names if getattr(event, n)}
    return {"id": event.subject, "source": source, "content": content}


class _Spec:
    """One CDEvent: when it applies, its type, its subject's id and content."""

    def __init__(
        self,
        type: str,
        id: Callable[[Event, Json], str],
        content: Content,
        applies: Applies,
    ) -> None:
        self.type = f"dev.cdevents.{type}"
        self._id = id
        self._content = content
        self.applies = applies

    def subject(self, event: Event, source: str) -> Json | None:
        """`id`, `source` and `content` of the CDEvent; None if the event does not tell them, as one
        that another version wrote.
        """
        data: Json = event.data
        try:
            content = self._content(event, data, source)
            return {"id": self._id(event, data), "source": source, "content": content}
        except (KeyError, TypeError):
            return None


def _is(kind: str) -> Applies:
    return lambda seen, _event: seen == kind


def _first_step(kind: str, event: Event) -> bool:
    return kind == "rollout.shifted" and event.data.get("step") == 0


def _delivery(event: Event, _data: Json) -> str:
    return event.delivery or event.subject


def _purl(event: Event, data: Json) -> str:
    """The artifact as a package URL of type oci (github.com/package-url/purl-spec)."""
    name, digest = quote(event.service.lower(), safe=""), quote(str(data["digest"]), safe="")
    return f"pkg:oci/{name}@{digest}"


def _server_run(event: Event, data: Json, _source: str) -> Json:
    return {"pipelineName": str(data["workflow"]), "uri": f"urn:headway:run:{event.subject}"}


def _server_run_ended(event: Event, data: Json, _source: str) -> Json:
    outcome = {"success": "success", "cancelled": "cancel"}.get(str(data["outcome"]), "failure")
    content = {"uri": f"urn:headway:run:{event.subject}", "outcome": outcome}
    return {**content, "errors": str(data["because"])} if data.get("because") else content


def _subject(event: Event, _data: Json) -> str:
    return event.subject


def _published(_event: Event, _data: Json, _source: str) -> Json:
    return {}


def _replaced(kind: str, event: Event) -> bool:
    return kind == "release.released" and bool(event.data.get("replaced"))


def _incident(kind: str) -> Applies:
    """CDEvents wants an environment; a ticket is no problem of users."""
    return lambda seen, event: (
        seen == kind and event.data.get("severity") == "page" and bool(event.environment)
    )


def _harm(event: Event, data: Json, source: str) -> Json:
    service = {"service": {"id": event.service, "source": source}} if event.service else {}
    return {"description": str(data["summary"]), "environment": _place(event, source), **service}


def _service(event: Event, _data: Json) -> str:
    return event.service


def _run(event: Event, _data: Json, _source: str) -> Json:
    return {"pipelineName": event.service, "uri": f"urn:headway:delivery:{event.delivery}"}


def _run_ended(event: Event, data: Json, source: str) -> Json:
    outcome = _PIPELINE_OUTCOMES.get(str(data["outcome"]), "error")
    content = {**_run(event, data, source), "outcome": outcome}
    return {**content, "errors": str(data["because"])} if data["because"] else content


def _task(event: Event, data: Json, source: str) -> Json:
    run, job = _delivery(event, data), quote(str(data["job"]), safe="")
    kind = "delivery" if event.delivery else "run"
    return {
        "taskName": data["job"],
        "uri": f"urn:headway:{kind}:{run}:job:{job}",
        "pipelineRun": {"id": run, "source": source},
        "outcome": {"success": "success", "cancelled": "cancel"}.get(data["outcome"], "failure"),
    }


def _packaged(_event: Event, data: Json, source: str) -> Json:
    return {"change": {"id": data["sha"], "source": source}}


def _signed(_event: Event, data: Json, _source: str) -> Json:
    return {"signature": data["statement"]}


def _place(event: Event, source: str) -> Json:
    return {"id": event.environment, "source": source}


def _suite(event: Event, data: Json, source: str) -> Json:
    red = [t["problem"] for t in data.get("tests", []) if t["problem"]]
    content = {
        "environment": _place(event, source),
        "outcome": "success" if data["outcome"] == "PASS" else "failure",
    }
    return {**content, "reason": red[0]} if red else content


def _deployed(event: Event, data: Json, source: str) -> Json:
    return {"environment": _place(event, source), "artifactId": _purl(event, data)}


def _there(event: Event, _data: Json, source: str) -> Json:
    return {"environment": _place(event, source)}


def _task_id(event: Event, data: Json) -> str:
    return f"{_delivery(event, data)}/{data['job']}"


def _suite_id(event: Event, _data: Json) -> str:
    return event.id


_KNOWN = (
    _Spec("pipelinerun.queued.0.3.0", _delivery, _run, _is("delivery.requested")),
    _Spec("pipelinerun.queued.0.3.0", _subject, _server_run, _is("run.requested")),
    _Spec("pipelinerun.finished.0.3.0", _subject, _server_run_ended, _is("run.finished")),
    _Spec("pipelinerun.started.0.3.0", _delivery, _run, _is("pipeline.started")),
    _Spec("taskrun.finished.0.3.0", _task_id, _task, _is("job.finished")),
    _Spec("artifact.packaged.0.3.0", _purl, _packaged, _is("artifact.packed")),
    _Spec("artifact.signed.0.3.0", _purl, _signed, _is("artifact.packed")),
    _Spec("artifact.published.0.3.0", _purl, _published, _is("release.created")),
    _Spec("testsuiterun.finished.0.3.0", _suite_id, _suite, _is("tests.finished")),
    _Spec("service.deployed.0.3.0", _service, _deployed, _first_step),
    _Spec("service.published.0.3.0", _service, _there, _is("release.released")),
    _Spec("service.upgraded.0.3.0", _service, _deployed, _replaced),
    _Spec("service.rolledback.0.3.0", _service, _deployed, _is("rollout.rolled_back")),
    _Spec("service.removed.0.3.0", _service, _there, _is("rollout.closed")),
    _Spec("pipelinerun.finished.0.3.0", _delivery, _run_ended, _is("delivery.finished")),
    _Spec("incident.detected.0.3.0", _subject, _harm, _incident("alert.fired")),
    _Spec("incident.resolved.0.3.0", _subject, _harm, _incident("alert.resolved")),
)
