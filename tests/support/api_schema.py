"""Whether an answer of the API is one that its own OpenAPI document has."""

import functools
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from headway.api.v1 import openapi
from headway.api.v1.app import bare


@functools.cache
def document() -> dict[str, Any]:
    return openapi.document(bare())


@functools.cache
def _validator(path: str, method: str, status: str, kind: str) -> Draft202012Validator:
    content = document()["paths"][path][method]["responses"][status]["content"]
    schema = {**content[kind]["schema"], "components": document()["components"]}
    return Draft202012Validator(schema)


def unfit(path: str, answer: httpx.Response) -> str:
    """What is wrong with it; empty if nothing is. `path` as the document has it."""
    status, method = str(answer.status_code), answer.request.method.lower()
    kind = answer.headers.get("content-type", "").partition(";")[0]
    known = document()["paths"][path][method]["responses"]
    if status == "304":
        return "" if not answer.content else "304 with a body"
    if status not in known:
        return f"{method} {path}: {status} is not documented: {answer.text[:300]}"
    if kind not in known[status].get("content", {}):
        return f"{method} {path}: {status} as {kind}"
    if not answer.headers.get("x-request-id"):
        return f"{method} {path}: no request id"
    faults = list(_validator(path, method, status, kind).iter_errors(answer.json()))
    return "; ".join(f"{method} {path}: {f.json_path}: {f.message[:300]}" for f in faults[:3])
