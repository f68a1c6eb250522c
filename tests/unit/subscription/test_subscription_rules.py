"""Which events a subscription gets, what follows from an answer, and where deliveries may go."""

import base64
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from headway.model.errors import Invalid, Refused
from headway.model.event import Event
from headway.model.webhook import Answer, Subscription
from headway.subscription import address, retry, signing, wanted
from headway.subscription.retry import Tried

ONE = Subscription("whk_1", "chat", "https://x/", "", "", ("*",), "cloudevents", False, "h",
                   "active", "", "ana", 0.0, 0)  # fmt: skip


def of(kind: str, service: str = "shop", environment: str = "production") -> Event:
    return Event(1, "x", 0.0, kind, "s", "", service, environment, "", {})


@pytest.mark.parametrize(
    ("patterns", "kind", "expected"),
    [
        ("", "release.released", True),
        ("*", "job.finished:test (3.11)", True),
        ("release.*", "release.released", True),
        ("release.*", "rollout.released", False),
        ("release.*, rollout.rolled_back", "rollout.rolled_back", True),
        ("rollout.rolled_back", "rollout.rolled", False),
        ("job.finished", "job.finished:test", True),
        ("*.finished", "delivery.finished", True),
        ("*.fin*", "delivery.finished", True),
        ("release.*", "xrelease.released", False),
        ("release.*", "releaseXreleased", False),
        ("*", "webhook.failing", False),
        ("webhook.*", "webhook.failing", False),
    ],
)
def test_patterns(patterns: str, kind: str, expected: bool) -> None:
    assert wanted.wants(replace(ONE, events=wanted.patterns(patterns)), of(kind)) is expected


@pytest.mark.parametrize(
    "text", ["Release.*", "release", "a.b.c", "release.[ab]", "x\n.y", "**", "."]
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        wanted.patterns(text)
    assert caught.value.code == "webhook-events"


def test_a_place() -> None:
    here = replace(ONE, service="shop", environment="production")
    assert wanted.wants(here, of("release.released"))
    assert not wanted.wants(here, of("release.released", service="other"))
    assert not wanted.wants(here, of("release.released", environment="staging"))
    assert not wanted.wants(here, of("delivery.requested", environment=""))


@given(st.integers(1, 100), st.floats(0, 1))
def test_delays_grow_within_their_bounds(attempts: int, jitter: float) -> None:
    now, later = retry.delay(attempts, jitter), retry.delay(attempts + 1, jitter)
    whole = min(3600.0, 5.0 * 2.0 ** (attempts - 1))
    assert whole / 2 <= now <= whole
    assert now <= later <= 3600.0


def follows(answer: Answer, attempts: int = 1, failures: int = 1, age: float = 0.0) -> retry.Next:
    return retry.follows(Tried(answer, attempts, failures, age), 1.0)


def test_what_follows_from_answers() -> None:
    assert follows(Answer(204)).what == "delivered"
    assert follows(Answer(410)).what == "gone"
    away = follows(Answer(503))
    assert (away.what, away.seconds, away.rest_seconds, away.aside) == ("again", 5.0, 5.0, False)
    refused = follows(Answer(400))
    assert (refused.what, refused.rest_seconds, refused.aside) == ("again", 0.0, True)
    assert follows(Answer(302)).aside
    assert follows(Answer(400), failures=5).rest_seconds == 80.0
    assert follows(Answer(error="x"), attempts=5).aside
    assert follows(Answer(429, retry_after=120.0)).seconds == 120.0
    assert follows(Answer(429, retry_after=1e9)).rest_seconds == 3600.0


def test_a_day_of_attempts_is_the_end_but_not_a_day_of_rest() -> None:
    day = retry.GIVE_UP_SECONDS
    assert follows(Answer(500), attempts=10, age=day).what == "dead"
    assert follows(Answer(500), attempts=10, age=day - 1).what == "again"
    assert follows(Answer(500), attempts=9, age=2 * day).what == "again"


def test_attempts_of_a_day_are_few() -> None:
    for jitter in (0.0, 1.0):
        at, attempts = 0.0, 1
        while at < retry.GIVE_UP_SECONDS:
            at += retry.delay(attempts, jitter)
            attempts += 1
        assert 30 < attempts < 70


def test_the_signature_is_what_an_independent_library_expects() -> None:
    old, new = (signing.secret(bytes([n]) * 32) for n in (1, 2))
    now, body = time.time(), '{"ü": 1}'.encode()
    headers = signing.headers("dlv_1", now, body, [new, old])
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers) == {"ü": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.secret(bytes(32))).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body, headers | {"webhook-id": "dlv_2"})
    assert len(base64.b64decode(new.removeprefix("whsec_"))) == 32


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
        "fe80::1%eth0",
        "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1", "ff02::1", "198.18.0.1", "192.0.2.1", "2001:db8::1", "::127.0.0.1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(ip: str) -> None:
    assert address.why_not(ip).endswith("address")


@pytest.mark.parametrize("ip", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_that_are(ip: str) -> None:
    assert address.why_not(ip) == ""


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "header"),
    [
        ("https://x.example.com", "x.example.com", 443, "/", "x.example.com"),
        ("http://x:8080/a/b?c=d", "x", 8080, "/a/b?c=d", "x:8080"),
        ("https://[2606:4700::1111]:444/", "2606:4700::1111", 444, "/", "[2606:4700::1111]:444"),
        ("https://X?y", "x", 443, "/?y", "x"),
    ],
)
def test_urls(url: str, host: str, port: int, path: str, header: str) -> None:
    found = address.target(url)
    assert (found.host, found.port, found.path, found.host_header) == (host, port, path, header)
    assert "y" not in found.shown
    assert "c=d" not in found.shown


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://x/", "file:///etc/passwd", "https://", "https:///x", "https://a:b@x/",
        "https://a@x", "https://x:0/", "https://x:65536/", "https://x:abc/",
        "https://x/\r\nHost: y",
        "https://x/ y",
        "https://ü.example/", "https://x#f", "https://x/#f", "https://[::1", "https://[::x]/",
        "https://x\\@y/", "HTTPS://x/", "https://x/" + "a" * 2000, "https://-x/",
        "https://1.2.3.4 /",
    ],
)  # fmt: skip
def test_what_is_no_url_and_is_not_repeated(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        address.target(url)
    assert caught.value.code == "webhook-url"
    assert not url or url not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost:1/",
        "http://a.localhost",
        "http://10.1.1.1",
    ],
)
def test_private_hosts_as_written_are_refused(url: str) -> None:
    with pytest.raises(Refused) as caught:
        address.check_literal(address.target(url))
    assert caught.value.code == "private-address"
    address.check_literal(address.target("https://x.example.com/"))
