"""The reader of workflows against judges that Headway did not write.

npm's @actions/workflow-parser, installed for the test, on the tests' own corpus and on files broken
by a seed; its public suite (actions/languageservices, in it workflow-parser/testdata/reader: set
HEADWAY_WORKFLOW_SUITE to that folder); other people's files (folders of workflows: set
HEADWAY_WORKFLOW_CORPUS, separated by `:`); and the published schema of workflows, key by key.

Headway is stricter by rules that docs/explanation/workflow-oracle.md names and justifies, and more
lenient by two. A difference by any other rule is a fault.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.workflow_mutations import broken, load
from tests.unit.pipeline_syntax.corpus import BROKEN, STRICTER, VALID

from headway.document import Limits
from headway.model.errors import Invalid
from headway.pipeline.syntax import calls
from headway.pipeline.syntax.ir import Workflow
from headway.pipeline.syntax.keys import KEYS, SCOPES
from headway.pipeline.syntax.reader import LIMITS, read

PACKAGE = "@actions/workflow-parser@0.3.61"
SCHEMAS = "check-jsonschema==0.39.0"
DRIVER = Path(__file__).with_name("workflow_driver.mjs")
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "workflow-oracle.md"

STRICTER_RULES = {
    *("unsupported", "uses", "shell", "computed-map", "computed-name", "literal-expression"),
    *("merge-key", "empty-matrix", "duplicate-id", "pattern", "input-default", "time-zone", "tag"),
    *("image", "runner-group", "character", "leading-zero", "too-long", "input-options"),
}
SUITE_RULES = {"uses", "empty-matrix", "runner-group", "too-long", "empty-input"}
"""Rules that the public suite demands and the package that is asked does not keep."""
LENIENT_RULES = {"empty-input", "computed-services", "deprecation-message", "null-name"}

# fixtures of the public suite on which Headway says something else, and by which rule
SUITE_DIFFERENCES = {
    "background-steps.yml": "unsupported",
    "insert.yml": "computed-name",
    "job-snapshot-mapping.yml": "unsupported",
    "job-snapshot-simple.yml": "unsupported",
    "on-event-config-image-version-name-version.yml": "unsupported",
    "on-event-config-image-version-names.yml": "unsupported",
    "on-event-config-image-version-versions.yml": "unsupported",
    "on-event-config-string-image-version.yml": "unsupported",
    "on-workflow_dispatch-unknown-keys-ignored.yml": "unknown-key",
    "errors-anchor-tag.yml": "anchors",
    "errors-max-result-size.yml": "result-size",
    "errors-reusable-workflow-max-result-size.yml": "result-size",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the driver and the package that it asks."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("no node and npm here: @actions/workflow-parser was not asked")
    folder = tmp_path_factory.mktemp("workflows")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.skip(f"{PACKAGE} could not be installed, so it was not asked: {done.stderr[-300:]}")
    shutil.copy(DRIVER, folder)
    return folder


def theirs(package: Path, cases: Iterable[tuple[str, str]]) -> dict[str, Any]:
    lines = "".join(json.dumps({"name": n, "text": t}) + "\n" for n, t in cases)
    done = subprocess.run(
        ["node", package / DRIVER.name],
        input=lines.encode("utf-8", "surrogatepass"),
        stdout=subprocess.PIPE,
        cwd=package,
        check=True,
        timeout=600,
    )
    return {(found := json.loads(line))["name"]: found for line in done.stdout.splitlines()}


def ours(name: str, text: str) -> Workflow | set[str]:
    """The workflow, or the rules by which it is refused."""
    try:
        return read(text, name)
    except Invalid as error:
        return {_rule(p.code, p.sentence, text) for p in error.problems}


def _rule(code: str, sentence: str, text: str) -> str:
    if code == "expression-here" and _only_literals(text):
        return "literal-expression"
    if code == "missing-key" and sentence.startswith("`image` is missing"):
        return "image"
    if code == "wrong-type" and re.search(r"cannot be `[-+]?0[0-9]+", sentence):
        return "leading-zero"
    return code


def _only_literals(text: str) -> bool:
    return bool(re.search(r"\$\{\{\s*'[^']*'\s*\}\}", text))


def lenient_rule(errors: list[str], text: str) -> str:
    """By which rule Headway takes a file that the oracle refuses, "" if by none."""
    told = errors[0]
    if "reading 'services'" in told:
        return "computed-services"
    if "Unexpected value 'null'" in told:
        return "null-name"
    if "Unexpected value 'deprecationMessage'" in told:
        return "deprecation-message"
    if told.endswith("Unexpected value ''") and "workflow_dispatch" in text:
        return "empty-input"
    return ""


def differences(package: Path, cases: list[tuple[str, str]]) -> tuple[Counter[str], list[Any]]:
    """How many files differ by each rule, and those that differ by none."""
    judged = theirs(package, cases)
    rules: Counter[str] = Counter()
    unexplained = []
    for name, text in cases:
        found, errors = ours(name, text), judged[name]["errors"]
        if isinstance(found, set) and not errors:
            rules.update(found)
            if not found <= STRICTER_RULES:
                unexplained.append((name, found, text[:2000]))
        elif not isinstance(found, set) and errors:
            rule = lenient_rule(errors, text)
            rules[rule] += 1
            if not rule:
                unexplained.append((name, errors[:2], text[:2000]))
    return rules, unexplained


def test_the_own_corpus_is_judged_alike(package: Path) -> None:
    cases = [*VALID.items(), *((n, text) for n, (text, _, _) in BROKEN.items())]
    assert len(cases) >= 90
    judged = theirs(package, cases)
    assert {n for n in VALID if judged[n]["errors"]} == set()
    assert {n for n in BROKEN if not judged[n]["errors"]} == set()


def test_what_headway_refuses_beyond_is_taken_by_the_oracle(package: Path) -> None:
    judged = theirs(package, [(n, text) for n, (text, _, _) in STRICTER.items()])
    assert {n for n in STRICTER if judged[n]["errors"]} <= {"own tag"}
    used = {
        _rule(code, "`image` is missing" * (code == "missing-key"), "")
        for _, code, _ in STRICTER.values()
    }
    assert used <= STRICTER_RULES


def test_files_broken_by_a_seed_are_judged_alike(package: Path) -> None:
    cases = list(_broken(((n, t) for n, t in VALID.items()), each=12))
    rules, unexplained = differences(package, cases)
    assert unexplained == []
    assert len(cases) >= 400
    assert sum(rules.values()) <= 0.1 * len(cases), rules


def test_the_facts_that_are_read_are_the_oracles(package: Path) -> None:
    judged = theirs(package, VALID.items())
    compared = 0
    for name, text in VALID.items():
        for job, wanted in zip(read(text, name).jobs, judged[name]["jobs"], strict=True):
            assert _alike(_facts(job), _their_facts(wanted)), name
            compared += 1
    assert compared >= 40


def _alike(mine: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether they are the same, scripts with expressions left out."""
    steps = zip(mine.pop("steps"), others.pop("steps"), strict=True)
    same = all(a == b or ("${{" in str(a) and a[0] == b[0]) for a, b in steps)
    return same and mine == others


def _facts(job: Any) -> dict[str, Any]:
    return {
        "id": job.id,
        "needs": [n.text for n in job.needs],
        "uses": job.uses.text if job.uses else None,
        "steps": [
            (s.id, s.run.text if s.run else None, s.uses.text if s.uses else None)
            for s in job.steps
        ],
    }


def _their_facts(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": job["id"],
        "needs": [_text(n) for n in job.get("needs") or []],
        "uses": _text(job["ref"]) if "ref" in job else None,
        "steps": [
            (s["id"], _text(s.get("run")), _text(s.get("uses"))) for s in job.get("steps", [])
        ],
    }


def _text(token: Any) -> Any:
    """A token of the oracle as it was written; None for one that holds expressions: it is kept as
    a call of `format`.
    """
    return None if isinstance(token, dict) else token


def _broken(seeds: Iterable[tuple[str, str]], each: int) -> Iterator[tuple[str, str]]:
    for name, text in seeds:
        for number, variant in enumerate(broken(load(text), name, each)):
            yield f"{name} #{number}", variant


# --- the public suite


def fixtures() -> list[tuple[str, list[str], dict[str, Any]]]:
    """(name, documents, expected)."""
    folder = os.environ.get("HEADWAY_WORKFLOW_SUITE", "")
    if not folder:
        pytest.skip("HEADWAY_WORKFLOW_SUITE is not set: the public suite was not asked")
    found = []
    for file in sorted(Path(folder).glob("*.yml")):
        documents = re.split(r"\r?\n---\r?\n", file.read_bytes().decode())
        found.append((file.name, documents, json.loads(documents[-1])))
    return found


def verdict(name: str, documents: list[str]) -> bool:
    """Whether Headway takes the fixture, with its options and its called workflows."""
    options = documents[0]
    limits = Limits(
        anchors=True,
        core_tags=True,
        max_bytes=_option(options, "max-file-size", LIMITS.max_bytes),
        max_depth=_option(options, "max-depth", LIMITS.max_depth),
    )
    try:
        workflow = read(documents[1], name, limits=limits)
        rest = documents[2:-1]
        called = {rest[n]: read(rest[n + 1], rest[n]) for n in range(0, len(rest), 2)}
    except Invalid:
        return False
    terms = calls.Terms(
        granted=calls.LIMITED_READ if "LimitedRead" in options else None,
        depth=_option(options, "max-nested-reusable-workflows-depth", 9),
        jobs=_option(options, "max-job-limit", 256),
    )
    return not calls.check(workflow, called, terms)


def _option(options: str, name: str, otherwise: int) -> int:
    found = re.search(rf"^{name}: (\d+)", options, re.MULTILINE)
    return int(found[1]) if found else otherwise


def test_the_public_suite_is_judged_alike() -> None:
    found = fixtures()
    assert len(found) == 195
    differ = {n for n, documents, wanted in found if verdict(n, documents) == ("errors" in wanted)}
    assert differ == set(SUITE_DIFFERENCES)
    page = PAGE.read_text("utf-8")
    assert all(f"`{name}`" in page for name in SUITE_DIFFERENCES)


def test_jobs_and_steps_of_the_public_suite_are_read_alike() -> None:
    compared = 0
    for name, documents, wanted in fixtures():
        if "jobs" not in wanted or name in SUITE_DIFFERENCES or "is-partial-rerun" in documents[0]:
            continue
        jobs = [j for j in wanted["jobs"] if "id" in j]
        for job, expected in zip(read(documents[1], name).jobs, jobs, strict=True):
            mine, others = _facts(job), _their_facts(_unplaced(expected))
            assert mine["id"] == others["id"], name
            assert mine["needs"] == others["needs"], name
            assert [s[0] for s in mine["steps"]] == [s[0] for s in others["steps"]], name
            compared += 1
    assert compared >= 150


def _unplaced(found: Any) -> Any:
    """Without the places that some fixtures keep: a literal token becomes its value."""
    if isinstance(found, list):
        return [_unplaced(one) for one in found]
    if isinstance(found, dict):
        literal = next((found[k] for k in ("lit", "bool", "num") if k in found), None)
        return literal if literal is not None else {k: _unplaced(v) for k, v in found.items()}
    return found


# --- other people's files


def corpus() -> list[tuple[str, str]]:
    folders = os.environ.get("HEADWAY_WORKFLOW_CORPUS", "")
    if not folders:
        pytest.skip("HEADWAY_WORKFLOW_CORPUS is not set: no other people's files were read")
    files = {f for folder in folders.split(":") for f in Path(folder).rglob("*.y*ml")}
    read_files = ((str(f), f.read_bytes().decode("utf-8", "replace")) for f in sorted(files))
    return [(name, _filled(text)) for name, text in read_files if re.search("^jobs:", text, re.M)]


def _filled(text: str) -> str:
    """Starter workflows have words that GitHub fills in."""
    words = {"$default-branch": "main", "$protected-branches": "main"}
    words |= {"$cron-weekly": "0 0 * * 0", "$cron-daily": "0 0 * * *"}
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def test_other_peoples_files_are_judged_alike(package: Path) -> None:
    cases = corpus()
    rules, unexplained = differences(package, cases)
    print(f"{len(cases)} files, differences by rule: {dict(rules)}")
    assert unexplained == []
    assert len(cases) >= 300


@pytest.mark.soak
def test_other_peoples_files_broken_by_a_seed_are_judged_alike(package: Path) -> None:
    seeds = [(n, t) for n, t in corpus() if not isinstance(ours(n, t), set)]
    cases = [*corpus(), *_broken(seeds, each=30)]
    rules, unexplained = differences(package, cases)
    print(f"{len(cases)} files, differences by rule: {dict(rules)}")
    assert unexplained == []
    differ = sum(count for rule, count in rules.items() if rule not in SUITE_RULES)
    assert differ <= 0.005 * len(cases)


# --- the published schema


def test_every_key_of_the_published_schema_is_read_or_refused(package: Path) -> None:
    file = next(package.rglob("workflow-v1.0*.json"))
    schema = json.loads(file.read_text())["definitions"]
    checked = Counter[str]()
    for type_, place in _SCHEMA_PLACES.items():
        for key in schema[type_]["mapping"]["properties"]:
            assert key in KEYS[place], f"{type_}: {key}"
            checked["refused" if KEYS[place][key].refused else "read"] += 1
    for event, type_ in schema["on-mapping-strict"]["mapping"]["properties"].items():
        _check_event(schema, event, type_ if isinstance(type_, str) else type_["type"])
    assert set(schema["permissions-mapping"]["mapping"]["properties"]) == set(SCOPES)
    assert checked["read"] >= 90
    assert checked["refused"] <= 8


def _check_event(schema: dict[str, Any], event: str, type_: str) -> None:
    if KEYS["on"][event].refused:
        return
    for inner in schema[type_].get("one-of", []):
        mapping = schema.get(inner, {}).get("mapping", {}).get("properties", {})
        for key in mapping:
            assert key in KEYS.get(f"on.{event}", {}), f"on.{event}.{key}"
    types = schema.get(f"{event.replace('_', '-')}-activity-type", {}).get("allowed-values")
    if types:
        assert set(KEYS[f"on.{event}"]["types"].shape.one_of) == set(types), event


@pytest.fixture(scope="module")
def editors_schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema that editors use (SchemaStore's), out of a package that carries it."""
    folder = tmp_path_factory.mktemp("schema")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, SCHEMAS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(
            f"{SCHEMAS} could not be had, so its schema was not asked: {done.stderr[-300:]}"
        )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith("vendor/github-workflows.json"))
        return dict(json.loads(wheel.read(name)))


def test_every_key_of_the_editors_schema_is_read_or_refused(editors_schema: dict[str, Any]) -> None:
    definitions = editors_schema["definitions"]
    places = {"workflow": editors_schema, "on": _event_map(editors_schema)}
    places |= {place: definitions[name] for name, place in _EDITORS_PLACES.items()}
    count = 0
    for place, schema in places.items():
        for key in _keys(schema):
            assert key in KEYS[place], f"{place}: {key}"
            count += 1
    assert count >= 110


def _event_map(schema: dict[str, Any]) -> dict[str, Any]:
    return next(dict(one) for one in schema["properties"]["on"]["oneOf"] if "properties" in one)


def _keys(schema: dict[str, Any]) -> set[str]:
    below = [s for word in ("oneOf", "allOf", "anyOf") for s in schema.get(word, [])]
    return set(schema.get("properties", {})).union(*(_keys(one) for one in below))


_EDITORS_PLACES = {
    "normalJob": "job",
    "reusableWorkflowCallJob": "job",
    "step": "step",
    "jobContainer": "container",
    "serviceContainer": "service",
    "concurrency": "concurrency",
    "permissions-event": "permissions",
    "environment": "environment",
    "defaults": "defaults",
    "matrix": "matrix",
    "workflowDispatchInput": "dispatch-input",
}
_SCHEMA_PLACES = {
    "workflow-root-strict": "workflow",
    "on-mapping-strict": "on",
    "workflow-call-input-definition": "call-input",
    "workflow-call-secret-mapping-definition": "call-secret",
    "workflow-call-output-definition": "call-output",
    "workflow-dispatch-input": "dispatch-input",
    "cron-mapping": "schedule",
    "workflow-defaults": "defaults",
    "job-defaults": "job.defaults",
    "workflow-defaults-run": "defaults.run",
    "job-factory": "job",
    "workflow-job": "job",
    "strategy": "strategy",
    "matrix": "matrix",
    "runs-on-mapping": "runs-on",
    "concurrency-mapping": "concurrency",
    "job-environment-mapping": "environment",
    "container-mapping": "container",
    "service-container-mapping": "service",
    "container-registry-credentials": "credentials",
    "run-step": "step",
    "regular-step": "step",
    "wait-step": "step",
    "wait-all-step": "step",
    "cancel-step": "step",
    "parallel-step": "step",
}


def test_every_rule_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    missing = [rule for rule in STRICTER_RULES | LENIENT_RULES if f"`{rule}`" not in page]
    assert missing == []
