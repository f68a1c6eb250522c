"""DSSE envelopes: the format's own vector, and no second way to write the same one."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.artifact.envelope import decode, encode, pae
from headway.artifact.strict import Unreadable
from headway.model.artifact import Envelope, Signature

GOOD = Envelope("t", b"payload?", (Signature("k", b"\xfb\xff\x00"),))


def test_the_encoding_to_sign_is_that_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(st.text(), st.binary(), st.text(), st.binary())
def test_what_is_signed_differs_whenever_type_or_payload_differ(
    kind: str, payload: bytes, other_kind: str, other: bytes
) -> None:
    try:
        same = pae(kind, payload) == pae(other_kind, other)
    except UnicodeEncodeError:
        return
    assert same == ((kind, payload) == (other_kind, other))


envelopes = st.builds(
    Envelope,
    st.text(st.characters(codec="utf-8")),
    st.binary(),
    st.lists(
        st.builds(Signature, st.text(st.characters(codec="utf-8")), st.binary()),
        min_size=1,
        max_size=16,
    ).map(tuple),
)


@given(envelopes)
def test_an_envelope_is_read_as_it_was_written(envelope: Envelope) -> None:
    assert decode(encode(envelope)) == envelope


def test_url_safe_base64_of_other_tools_is_read() -> None:
    text = encode(GOOD).decode().replace("+/8A", "-_8A")
    assert "-_8A" in text
    assert decode(text.encode()) == GOOD


def _changed(**fields: object) -> bytes:
    return json.dumps(json.loads(encode(GOOD)) | fields).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[]", "no.*object|not an object"),
        (_changed(signatures=[]), "0 signatures"),
        (_changed(signatures=[{"keyid": "k", "sig": "AA=="}] * 17), "17 signatures"),
        (_changed(signatures={"keyid": "k"}), "not a list"),
        (_changed(signatures=[{"keyid": 1, "sig": "AA=="}]), "`keyid`"),
        (_changed(signatures=[{"keyid": "k"}]), "`sig`"),
        (_changed(payload="AB=="), "spare bits"),
        (_changed(payload="AA"), "base64"),
        (_changed(payload="A A=="), "base64"),
        (_changed(payload="é"), "base64"),
        (_changed(payload=None), "not a text"),
        (_changed(payloadType=7), "`payloadType`"),
    ],
)
def test_a_malformed_envelope_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        decode(data)


def test_unknown_fields_are_skipped() -> None:
    assert decode(_changed(extra=base64.b64encode(b"x").decode())) == GOOD
