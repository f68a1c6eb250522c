"""What of an OpenAPI document clients of the one before can no longer rely on.

In v1 nothing is taken away: no path, parameter, answer or field; no field of what is sent becomes
needed. Asked by api/v1/reference before it writes, and by a test.
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def broken(old: Json, new: Json) -> Iterator[str]:
    """One sentence for each thing that is missing or asked for now."""
    for path, operations in old["paths"].items():
        for method, before in operations.items():
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{method.upper()} {path} is gone"
                continue
            yield from _parameters(f"{method.upper()} {path}", before, after)
            for status in before["responses"]:
                if status < "300" and status not in after["responses"]:
                    yield f"{method.upper()} {path} no longer answers {status}"
    for name, before in old["components"]["schemas"].items():
        after = new["components"]["schemas"].get(name)
        if after is None:
            yield f"the schema {name} is gone"
            continue
        yield from _fields(name, before, after)


def _parameters(where: str, before: Json, after: Json) -> Iterator[str]:
    known = {(p["in"], p["name"]): p for p in after.get("parameters", [])}
    olds = {(p["in"], p["name"]): p for p in before.get("parameters", [])}
    for key in olds.keys() - known.keys():
        yield f"{where}: the parameter {key[1]} is gone"
    for key, p in known.items():
        if p.get("required") and not olds.get(key, {}).get("required"):
            yield f"{where}: the parameter {key[1]} is needed now"


def _fields(name: str, before: Json, after: Json) -> Iterator[str]:
    fields = after.get("properties", {})
    for field, shape in before.get("properties", {}).items():
        if field not in fields:
            yield f"{name}.{field} is gone"
        elif shape.get("type") != fields[field].get("type"):
            yield f"{name}.{field} was {shape.get('type')}, is {fields[field].get('type')}"
    if before.get("additionalProperties") is False:  # what clients send
        for field in set(after.get("required", [])) - set(before.get("required", [])):
            yield f"{name}.{field} is needed now"
