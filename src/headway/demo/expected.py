"""What the demo promised, held against what happened. Pure; called by `show` at the end.

Every sentence here ends the demo with exit code 1.
"""

from collections.abc import Mapping, Sequence

from headway.demo.report import Asked, DeliveryReport

LEAST_SHARE = 0.90


def outcomes(asked: Asked) -> dict[str, str]:
    """The outcome of each version, in order."""
    if asked.low_traffic:
        return {"v1": "delivered", "v2": "held"}
    third = "promoted" if asked.fault == "none" else "rolled_back"
    return {"v1": "delivered", "v2": "promoted", "v3": third}


def problems(
    asked: Asked, reports: Sequence[DeliveryReport], summary: Mapping[str, object]
) -> list[str]:
    """What is not as promised, in words; empty if all is."""
    found = {report.version: report for report in reports}
    told = []
    for version, wanted in outcomes(asked).items():
        got = found[version].outcome if version in found else "not delivered"
        if got != wanted:
            why = f": {found[version].why}" if version in found and found[version].why else ""
            told.append(f"{version} should be {_word(wanted)}, it is {_word(got)}{why}")
    return told + _held_for(asked, found) + _load(asked, summary) + _kills(asked, summary)


def _word(outcome: str) -> str:
    return outcome.replace("_", " ")


def _held_for(asked: Asked, found: Mapping[str, DeliveryReport]) -> list[str]:
    held = found.get("v2")
    if not asked.low_traffic or held is None or held.outcome != "held":
        return []
    if "insufficient data" in held.why:
        return []
    return [f"v2 should be held for insufficient data, it is held because: {held.why}"]


def _load(asked: Asked, summary: Mapping[str, object]) -> list[str]:
    told = []
    if summary["lost"]:
        told.append(f"{summary['lost']} requests were lost: {summary['lost_by_reason']}")
    if not summary["requests"]:
        told.append("there were no users")
    for name in ("offered", "answered"):
        rate = summary[f"rate_{name}"]
        assert isinstance(rate, float)
        if rate < LEAST_SHARE * asked.rate and not asked.low_traffic:
            told.append(f"only {rate:.0f} requests/s were {name}, {asked.rate:.0f} were asked for")
    return told


def _kills(asked: Asked, summary: Mapping[str, object]) -> list[str]:
    if not asked.chaos:
        return []
    kills = summary["server_kills"]
    assert isinstance(kills, list)
    struck = {kill["version"] for kill in kills}
    wanted = [v for v in outcomes(asked) if v != "v1"]
    return [f"the server was not killed in the canary of {v}" for v in wanted if v not in struck]
