"""HTTP tests of a deployed environment, with httpx. Redirects are answers, not followed."""

import time

import httpx

from headway.model.service import HttpTest
from headway.ports.probe import Answer, Call, Probe, Reply

DEFAULT_TIMEOUT_SECONDS = 10.0
BODY_LIMIT = 1_000_000
REPLY_LIMIT = 4 * 1024 * 1024


class HttpProbe(Probe):
    """One client per question: nothing is remembered between tests, no proxy is used."""

    def ask(self, address: str, test: HttpTest, headers: dict[str, str]) -> Answer:
        """See Probe."""
        name = f"{test.method} {test.path}"
        timeout = test.within_seconds or DEFAULT_TIMEOUT_SECONDS
        body = test.json.encode() if test.json is not None else None
        sent = headers | ({"content-type": "application/json"} if body is not None else {})
        begun = time.monotonic()
        try:
            with httpx.Client(timeout=timeout, trust_env=False) as client:
                answer = client.request(
                    test.method, address + test.path, content=body, headers=sent
                )
        except httpx.HTTPError as error:
            seconds = time.monotonic() - begun
            return Answer(name, f"no answer: {type(error).__name__}", None, seconds)
        seconds = time.monotonic() - begun
        return Answer(name, _problem(test, answer, seconds), answer.status_code, seconds)

    def send(self, address: str, call: Call, seconds: float) -> Reply:
        """See Probe."""
        try:
            with (
                httpx.Client(timeout=seconds, trust_env=False) as client,
                client.stream(
                    call.method,
                    address + call.target,
                    headers=list(call.headers),
                    content=call.body,
                ) as answer,
            ):
                return _reply(answer)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Reply(problem=f"no answer: {type(error).__name__}: {str(error)[:200]}")


def _reply(answer: httpx.Response) -> Reply:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > REPLY_LIMIT:
            return Reply(problem=f"the answer is longer than {REPLY_LIMIT >> 20} MiB")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(answer.status_code, headers, bytes(body))


def _problem(test: HttpTest, answer: httpx.Response, seconds: float) -> str:
    if answer.status_code != test.status:
        return f"expected status {test.status}, got {answer.status_code}"
    if test.within_seconds is not None and seconds > test.within_seconds:
        return f"expected an answer within {test.within_seconds:g} s, took {seconds:.2f} s"
    if test.contains is not None and test.contains not in answer.text[:BODY_LIMIT]:
        return f"expected {test.contains!r} in the answer"
    return ""
