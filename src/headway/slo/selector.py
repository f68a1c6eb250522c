"""Counters of a metric source by name: `requests_total{code="500"}`.

Called by flows/counters.py for SLOs with a `source`, and by settings for OpenSLO files.
"""

import re

from headway.model.errors import Invalid
from headway.model.series import Selector

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:.]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,|$)')


def selector(text: str) -> Selector:
    """`http_requests_total{code="500"}` as a selector: a name, and labels that equal values.

    Raises Invalid (`selector`).
    """
    found = _SELECTOR.fullmatch(text)
    labels: dict[str, str] = {}
    rest = (found[2] or "").strip() if found else ""
    while found and rest:
        label = _LABEL.match(rest)
        if label is None:
            found = None
            break
        labels[label[1]] = re.sub(r"\\(.)", r"\1", label[2])
        rest = rest[label.end() :]
    if found is None:
        raise Invalid(
            f"`{text[:80]}` does not name a counter",
            why='a name, and labels that equal values: `requests_total{code="500"}`',
            code="selector",
        )
    return Selector(found[1], labels)


def matcher(labels: dict[str, str]) -> str:
    """Labels as Prometheus writes them: `{code="500", route="/pay"}`, by name."""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    return "{" + ", ".join(f'{n}="{v}"' for n, v in sorted(escaped.items())) + "}"
