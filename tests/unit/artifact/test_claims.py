"""What provenance claims: the builder, and the commits in the shapes that builders write."""

import json

import pytest

from headway.artifact.claims import claimed, named
from headway.artifact.strict import Unreadable

SHA, OTHER = "a" * 40, "b" * 64


def statement(definition: object, builder: object = "urn:ci:acme") -> bytes:
    details = {"builder": {"id": builder}}
    predicate = {"buildDefinition": definition, "runDetails": details}
    return json.dumps({"predicate": predicate}).encode()


@pytest.mark.parametrize(
    ("definition", "commits"),
    [
        ({"externalParameters": {"commit": SHA}}, (SHA,)),
        (
            {"resolvedDependencies": [{"uri": "git+https://x", "digest": {"gitCommit": OTHER}}]},
            (OTHER,),
        ),
        (
            {"resolvedDependencies": [{"uri": "git+https://x", "digest": {"sha1": SHA}}]},
            (SHA,),
        ),
        ({"resolvedDependencies": [{"uri": "pkg:x/y", "digest": {"gitCommit": SHA}}]}, ()),
        ({"resolvedDependencies": [{"uri": "git+https://x", "digest": {"gitCommit": "HEAD"}}]}, ()),
        ({"externalParameters": {"commit": 7}}, ()),
        ({}, ()),
    ],
)
def test_the_commits(definition: object, commits: tuple[str, ...]) -> None:
    found = claimed(statement(definition))
    assert (found.builder, found.commits) == ("urn:ci:acme", commits)


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"{}",
        b"\xff",
        statement([]),
        statement({}, builder=None),
        statement({"externalParameters": []}),
        statement({"resolvedDependencies": {}}),
        statement({"resolvedDependencies": ["x"]}),
    ],
)
def test_what_is_no_provenance(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        claimed(payload)
    assert named(payload) == ""
