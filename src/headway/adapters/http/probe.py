"""HTTP tests of a deployed environment, with httpx. Redirects are answers, not followed."""

import time

import httpx

from headway.model.service import HttpTest
from headway.ports.probe import Answer, Probe

DEFAULT_TIMEOUT_SECONDS = 10.0
BODY_LIMIT = 1_000_000


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


def _problem(test: HttpTest, answer: httpx.Response, seconds: float) -> str:
    if answer.status_code != test.status:
        return f"expected status {test.status}, got {answer.status_code}"
    if test.within_seconds is not None and seconds > test.within_seconds:
        return f"expected an answer within {test.within_seconds:g} s, took {seconds:.2f} s"
    if test.contains is not None and test.contains not in answer.text[:BODY_LIMIT]:
        return f"expected {test.contains!r} in the answer"
    return ""
