"""Only a statement that is right in every point lets an artifact in (trust attacks 34 to 39)."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headway.artifact.admission import Attested, Expected, judge
from headway.artifact.provenance import PAYLOAD_TYPE, Build, statement
from headway.model.verdict import Outcome

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
BUILD = Build(
    service="shop",
    repository="https://git.example.com/shop",
    ref="refs/heads/main",
    commit="c" * 40,
    workflow=".github/workflows/deliver.yml",
    run="run-7",
    builder="urn:headway:builder:here",
    started_at=1_700_000_000.25,
    finished_at=1_700_000_060.0,
    actions=(("actions/setup-node@v4", "b" * 40),),
)
EXPECTED = Expected(BUILD.repository, BUILD.commit, BUILD.workflow, (BUILD.builder,))


def attested(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> Attested:
    return Attested("0123456789abcdef", payload_type, payload)


GOOD = attested(statement(BUILD, DIGEST, {"build": "success", "test": "success"}, "dist"))


def test_provenance_has_the_shape_of_in_toto_v1_and_slsa_v1() -> None:
    value = json.loads(GOOD.payload)
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    assert value["subject"] == [{"name": "shop", "digest": {"sha256": "a" * 64}}]
    definition = value["predicate"]["buildDefinition"]
    assert definition["buildType"].startswith("urn:headway:")
    assert definition["externalParameters"] == {
        "repository": BUILD.repository,
        "ref": BUILD.ref,
        "workflow": BUILD.workflow,
        "commit": BUILD.commit,
    }
    assert definition["resolvedDependencies"] == [
        {
            "uri": "git+https://git.example.com/shop@refs/heads/main",
            "digest": {"gitCommit": BUILD.commit},
        },
        {
            "uri": "pkg:githubactions/actions/setup-node@v4",
            "digest": {"gitCommit": "b" * 40},
        },
    ]
    details = value["predicate"]["runDetails"]
    assert details["builder"] == {"id": BUILD.builder}
    assert details["metadata"] == {
        "invocationId": "run-7",
        "startedOn": "2023-11-14T22:13:20.250Z",
        "finishedOn": "2023-11-14T22:14:20.000Z",
    }
    (byproduct,) = details["byproducts"]
    assert json.loads(base64.b64decode(byproduct["content"])) == {
        "jobs": {"build": "success", "test": "success"},
        "upload": "dist",
    }


def test_the_same_build_gives_the_same_statement() -> None:
    results = {"test": "success", "build": "success"}
    assert statement(BUILD, DIGEST, results, "dist") == GOOD.payload


def test_the_expected_provenance_passes_and_is_named_as_evidence() -> None:
    verdict = judge(DIGEST, (GOOD,), EXPECTED)
    assert (verdict.judge, verdict.outcome) == ("provenance", Outcome.PASS)
    assert verdict.evidence[0].startswith("sha256:")


def test_an_unsigned_artifact_fails_as_signature() -> None:
    verdict = judge(DIGEST, (), EXPECTED)
    assert (verdict.judge, verdict.outcome) == ("signature", Outcome.FAIL)
    assert "no trusted signature" in verdict.because


ELSEWHERE = replace(EXPECTED, builders=("urn:headway:builder:me",), elsewhere=(BUILD.builder,))


def test_a_foreign_builders_repository_and_workflow_are_its_own() -> None:
    other = replace(ELSEWHERE, repository="/here", workflow="")
    verdict = judge(DIGEST, (GOOD,), other)
    assert verdict.outcome is Outcome.PASS
    assert verdict.because.startswith(f"built elsewhere by `{BUILD.builder}` from commit")


def test_a_foreign_builders_commit_is_not() -> None:
    verdict = judge(DIGEST, (GOOD,), replace(ELSEWHERE, commit="d" * 40))
    assert verdict.outcome is Outcome.FAIL
    assert "it was built from commit" in verdict.because
    verdict = judge(DIGEST, (GOOD,), replace(ELSEWHERE, elsewhere=()))
    assert "not a trusted builder" in verdict.because


def test_a_key_signs_only_for_the_builders_it_is_trusted_for() -> None:
    mine = replace(GOOD, builders=("urn:ci:acme", BUILD.builder))
    assert judge(DIGEST, (mine,), EXPECTED).outcome is Outcome.PASS
    verdict = judge(DIGEST, (replace(GOOD, builders=("urn:ci:acme",)),), EXPECTED)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.because == f"the key 0123456789ab may not sign for `{BUILD.builder}`"


def test_a_statement_may_name_the_tar_that_the_manifest_names() -> None:
    assert judge(OTHER, (GOOD,), EXPECTED).outcome is Outcome.FAIL
    assert judge(OTHER, (GOOD,), replace(EXPECTED, also=(DIGEST,))).outcome is Outcome.PASS


def _edited(change: Callable[[Any], object]) -> Attested:
    value = json.loads(GOOD.payload)
    change(value)
    return attested(json.dumps(value).encode())


def _put(*path: str | int, to: object) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


DEFINITION = ("predicate", "buildDefinition")
PARAMETERS = (*DEFINITION, "externalParameters")
DETAILS = ("predicate", "runDetails")

REFUSED = {
    "payload type swapped": (replace(GOOD, payload_type="application/json"), "is of type"),
    "payload type with parameter": (
        replace(GOOD, payload_type=PAYLOAD_TYPE + "; charset=utf-8"),
        "is of type",
    ),
    "not JSON": (attested(b"\x00\xff"), "cannot be read: it is not JSON"),
    "too large": (attested(b" " * (1 << 20) + GOOD.payload), "cannot be read: it is .* bytes"),
    "too deep": (attested(b"[" * 5000), "cannot be read: it is nested"),
    "duplicate key": (
        attested(GOOD.payload.replace(b'{"_type"', b'{"subject":[],"_type"')),
        "cannot be read: the key `subject` occurs twice",
    ),
    "no object": (attested(b"[]"), "cannot be read: the statement is not an object"),
    "other statement type": (_edited(_put("_type", to="https://in-toto.io/Statement/v0.1")), "no "),
    "other predicate": (
        _edited(_put("predicateType", to="https://slsa.dev/provenance/v0.2")),
        "not provenance",
    ),
    "predicate type missing": (_edited(lambda v: v.pop("predicateType")), "`predicateType`"),
    "no subject": (_edited(_put("subject", to=[])), "names 0 artifacts"),
    "two subjects": (_edited(lambda v: v["subject"].append(v["subject"][0])), "names 2 artifacts"),
    "subject no object": (_edited(_put("subject", 0, to="a")), "the subject is not an object"),
    "no sha256": (_edited(_put("subject", 0, "digest", to={"sha1": "a"})), "sha256 of the subject"),
    "other artifact": (
        attested(statement(BUILD, OTHER, {}, "dist")),
        "for another artifact, `sha256:bbb",
    ),
    "upper case digest": (
        _edited(_put("subject", 0, "digest", "sha256", to="A" * 64)),
        "for another artifact",
    ),
    "other builder": (
        _edited(_put(*DETAILS, "builder", "id", to="urn:evil")),
        "`urn:evil`, which is not a trusted builder",
    ),
    "no builder": (_edited(_put(*DETAILS, to={})), "`builder` is not an object"),
    "no predicate": (_edited(_put("predicate", to=None)), "`predicate` is not an object"),
    "other repository": (
        _edited(_put(*PARAMETERS, "repository", to="https://git.example.com/fork")),
        "from repository `https://git.example.com/fork`, expected",
    ),
    "other commit": (_edited(_put(*PARAMETERS, "commit", to="d" * 40)), "from commit `ddd"),
    "other workflow": (
        _edited(_put(*PARAMETERS, "workflow", to="x\x1b[2J.yml")),
        r"from workflow 'x\\x1b\[2J.yml', expected",
    ),
    "parameters a list": (_edited(_put(*PARAMETERS, to=[])), "`externalParameters`"),
}


@pytest.mark.seed("S-016")
@pytest.mark.parametrize("name", REFUSED)
def test_each_fault_is_refused_in_its_own_words(name: str) -> None:
    one, because = REFUSED[name]
    verdict = judge(DIGEST, (one,), EXPECTED)
    assert (verdict.judge, verdict.outcome) == ("provenance", Outcome.FAIL)
    assert re.search(because, verdict.because)
    assert verdict.because.isprintable()


def test_no_two_faults_share_a_sentence() -> None:
    said = [judge(DIGEST, (one,), EXPECTED).because for one, _ in REFUSED.values()]
    distinct = {sentence.split("`")[0] for sentence in said}
    assert len(distinct) >= 15


def test_one_good_statement_among_others_is_enough_in_any_order() -> None:
    for one, _ in REFUSED.values():
        assert judge(DIGEST, (one, GOOD), EXPECTED).outcome is Outcome.PASS
        assert judge(DIGEST, (GOOD, one), EXPECTED).outcome is Outcome.PASS


def test_halves_of_two_statements_do_not_make_a_whole() -> None:
    digest_only = REFUSED["other commit"][0]
    commit_only = REFUSED["other artifact"][0]
    verdict = judge(DIGEST, (commit_only, digest_only), EXPECTED)
    assert verdict.outcome is Outcome.FAIL
    assert "from commit" in verdict.because


def test_no_trusted_builder_at_all_lets_nothing_in() -> None:
    assert judge(DIGEST, (GOOD,), replace(EXPECTED, builders=())).outcome is Outcome.FAIL
