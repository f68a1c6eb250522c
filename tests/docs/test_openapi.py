"""docs/reference/openapi.json is what the server gives, is OpenAPI 3.1, and takes nothing away from
clients of the version before.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from headway.api.v1 import openapi
from headway.api.v1.app import bare
from headway.api.v1.compatible import broken
from headway.api.v1.reference import write

FILE = Path(__file__).parents[2] / "docs/reference/openapi.json"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> Json:
    return openapi.document(bare())


def test_the_file_is_the_document(made: Json) -> None:
    assert FILE.read_text() == openapi.text(bare()), "run scripts/docs"
    assert json.loads(FILE.read_text())["openapi"].startswith("3.1")


def test_nothing_that_clients_rely_on_is_taken_away(made: Json) -> None:
    found = list(broken(json.loads(FILE.read_text()), made))
    assert found == [], "clients of v1 rely on it; keep it, or make a v2: " + "; ".join(found)


def test_the_script_does_not_write_what_breaks_clients(made: Json, tmp_path: Path) -> None:
    before = copy.deepcopy(made)
    before["paths"]["/coffee"] = before["paths"]["/services"]
    kept = tmp_path / "openapi.json"
    kept.write_text(json.dumps(before))
    done = CliRunner().invoke(write, [str(kept)])
    assert done.exit_code == 1
    assert "GET /coffee is gone" in done.output
    kept.unlink()
    done = CliRunner().invoke(write, [str(kept)])
    assert (done.exit_code, done.output) == (0, openapi.text(bare()))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d["paths"].pop("/releases"), "GET /releases is gone"),
        (lambda d: d["paths"]["/runs"].pop("post"), "POST /runs is gone"),
        (
            lambda d: d["components"]["schemas"]["RolloutView"]["properties"].pop("share"),
            "RolloutView.share is gone",
        ),
        (
            lambda d: d["components"]["schemas"]["RunCommand"]["required"].append("failed_only"),
            "RunCommand.failed_only is needed now",
        ),
        (lambda d: d["paths"]["/search"]["get"]["parameters"].clear(), "parameter q is gone"),
        (
            lambda d: d["components"]["schemas"]["Hit"]["properties"]["title"].update(type="null"),
            "Hit.title was string, is null",
        ),
    ],
)
def test_a_change_that_breaks_clients_is_told(made: Json, spoil: Any, said: str) -> None:
    changed = copy.deepcopy(made)
    spoil(changed)
    assert any(said in found for found in broken(made, changed))
    assert list(broken(made, made)) == []


def test_every_operation_is_whole(made: Json) -> None:
    ids = []
    for path, operations in made["paths"].items():
        for method, one in operations.items():
            ids.append(one["operationId"])
            assert one["description"], path
            assert any(s < "300" for s in one["responses"])
            assert one["x-permission"], path
            assert "401" in one["responses"], path
            if method == "post":
                assert {"409", "412", "413", "415"} <= one["responses"].keys()
                names = {p["name"] for p in one["parameters"]}
                assert "Idempotency-Key" in names
            for status, answer in one["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], path
    assert len(set(ids)) == len(ids)
    assert {"token", "session"} == made["components"]["securitySchemes"].keys()


def test_every_schema_is_one(made: Json) -> None:
    for name, schema in made["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert name
    text = json.dumps(made)
    for part in text.split('"$ref": "')[1:]:
        target = part.split('"')[0]
        assert target.startswith("#/components/schemas/")
        assert target.rpartition("/")[2] in made["components"]["schemas"]
