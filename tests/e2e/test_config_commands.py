"""`headway config` and `headway init` as people call them: text, JSON and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headway import settings
from headway.cli.main import main
from headway.pipeline.syntax import reader

GOOD = """\
service: shop
run: ./shop
environments:
  staging: {run: {instances: 1}}
  production:
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "headway.yaml").write_text(GOOD)
    return folder


def headway(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def broken(folder: Path, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "headway.yaml").write_bytes(data)


def test_check_says_yes(shop: Path) -> None:
    result = headway("config", "check", shop)
    assert (result.exit_code, result.stdout) == (
        0,
        "headway.yaml is right: shop, staging -> production\n",
    )
    result = headway("config", "check", shop / "headway.yaml", "--json")
    assert json.loads(result.stdout) == {
        "valid": True,
        "service": "shop",
        "environments": ["staging", "production"],
    }


def test_check_names_every_problem_and_changes_nothing(shop: Path) -> None:
    broken(shop, GOOD + "enviroments: 1\nhealth: x\n")
    before = (shop / "headway.yaml").stat().st_mtime_ns
    result = headway("config", "check", shop)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[:3] == [
        "headway.yaml:6:1: unknown key `enviroments`. Did you mean `environments`?  [unknown-key]",
        "headway.yaml:7:9: `health` is a URL path: it starts with `/` and holds no spaces or "
        "braces, not `x`  [path]",
        "2 problems. Nothing was changed.",
    ]
    assert (shop / "headway.yaml").stat().st_mtime_ns == before


def test_problems_as_json_have_places_and_codes(shop: Path) -> None:
    broken(shop, GOOD + "kind: worker\n")
    result = headway("config", "check", shop, "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "planned"
    assert [(p["line"], p["column"], p["code"]) for p in error["problems"]] == [(6, 7, "planned")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a: \xff", "encoding"),
        (b"x" * 300_000, "too-large"),
        (b"", "empty"),
        (b"\xff\xfea\x00:\x00", "encoding"),
        (b"[" * 100_000, "too-deep"),
    ],
)
def test_files_that_are_no_text_are_refused(shop: Path, content: bytes, code: str) -> None:
    broken(shop, content)
    result = headway("config", "check", shop, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (2, code)


def test_no_file_names_the_next_command(tmp_path: Path) -> None:
    result = headway("config", "check", tmp_path)
    assert result.exit_code == 2
    assert "there is no headway.yaml" in result.stderr
    assert "headway init" in result.stderr


def test_show_prints_values_with_their_lines(shop: Path) -> None:
    result = headway("config", "show", shop, "--env", "staging")
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines()}
    assert rows["run.instances"] == "headway.yaml:4"
    assert rows["run.command"] == "headway.yaml:2"
    assert rows["run.stop.grace"] == "default"
    assert headway("config", "show", shop).stdout.count("run.command") == 2


def test_show_as_json_is_one_document(shop: Path) -> None:
    document = json.loads(headway("config", "show", shop, "--json").stdout)
    assert [e["name"] for e in document["environments"]] == ["staging", "production"]
    values = {v["key"]: v for v in document["environments"][0]["values"]}
    assert values["run.instances"] == {
        "key": "run.instances",
        "value": "1",
        "at": {"line": 4, "column": 30},
    }
    assert values["rollout.strategy"] == {"key": "rollout.strategy", "value": "rolling", "at": None}


def test_show_of_an_unknown_environment_is_refused(shop: Path) -> None:
    result = headway("config", "show", shop, "--env", "prodution")
    assert result.exit_code == 2
    assert "Did you mean `production`?" in result.stderr


def test_explain_tells_meaning_default_and_place(shop: Path) -> None:
    told = headway("config", "explain", "run.instances", shop).stdout
    assert "how many instances run" in told
    assert "default: 2" in told
    assert "set here: environments.staging.run.instances at headway.yaml:4" in told
    assert "planned, not in this version" in headway("config", "explain", "secrets", shop).stdout
    assert headway("config", "explain", "holdbak", shop).exit_code == 2


def test_explain_needs_no_right_file(shop: Path, tmp_path: Path) -> None:
    assert headway("config", "explain", "health", tmp_path).exit_code == 0
    broken(shop, "service: [")
    result = headway("config", "explain", "health", shop)
    assert result.exit_code == 0
    assert "headway config check" in result.stderr


def test_schema_is_json_schema() -> None:
    document = json.loads(headway("config", "schema").stdout)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    one, many = document["else"]["properties"], document["then"]["properties"]
    assert "secrets" not in one.keys() | many.keys()
    assert "slos" in one
    assert "services" in many.keys() - one.keys()


def test_the_installed_command_gives_the_exit_code(shop: Path) -> None:
    broken(shop, "service: shop\n")
    done = subprocess.run(
        [sys.executable, "-m", "headway", "config", "check", str(shop)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.endswith("2 problems. Nothing was changed.\n")


KITS = {
    "requirements": (
        {"requirements.txt": "fastapi\n", "shop.py": 'app = FastAPI()\n@app.get("/health")\n'},
        "uvicorn shop:app --host 127.0.0.1 --port $PORT",
        "/health",
    ),
    "pyproject": (
        {"pyproject.toml": "[project]\n", "wsgi.py": "web = Flask(__name__)\n"},
        "flask --app wsgi:web run --host 127.0.0.1 --port $PORT",
        "/",
    ),
    "django": ({"requirements.txt": "django\n", "manage.py": ""}, "manage.py runserver", "/"),
    "script": ({"requirements.txt": "", "app.py": ""}, "python3 app.py", "/"),
    "node": ({"package.json": '{"scripts": {"start": "node x.js"}}'}, "exec npm start", "/"),
    "node-bare": (
        {"package.json": "{not json", "server.js": "app.get('/healthz')"},
        "exec node index.js",
        "/healthz",
    ),
    "go": ({"go.mod": "module x\n", "cmd/web/main.go": "package main\n"}, "exec ./service", "/"),
    "maven": ({"pom.xml": "<project/>"}, "exec java -jar service.jar", "/"),
    "ruby": ({"Gemfile": "", "config.ru": ""}, "exec bundle exec rackup", "/"),
    "rails": ({"Gemfile": "", "bin/rails": ""}, "exec bundle exec rails server", "/"),
    "procfile": (
        {"Procfile": 'release: x\nweb: ./serve: "$PORT" # 1\n'},
        './serve: "$PORT" #',
        "/",
    ),
    "procfile-over": ({"Procfile": "web: gunicorn x\n", "Gemfile": ""}, "gunicorn x", "/"),
    "docker": ({"Dockerfile": 'FROM x\nCMD ["./a b", "--p", "1"]\n'}, "'./a b' --p 1", "/"),
    "docker-shell": ({"Dockerfile": "FROM x\nCMD a\ncmd ./serve -p $PORT\n"}, "./serve -p", "/"),
    "page": ({"index.html": "<p>"}, "exec python3 -m http.server $PORT", "/"),
}


def project(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("kit", KITS)
def test_init_writes_what_is_right(tmp_path: Path, kit: str) -> None:
    files, run, health = KITS[kit]
    folder = project(tmp_path / f"9 My_{kit}!", files)
    result = headway("init", folder)
    assert result.exit_code == 0, result.stderr
    assert "headway plan" in result.stdout
    service = settings.load(folder)
    assert service.name == f"my-{kit}"
    assert run in service.environments[0].run.command
    assert service.environments[0].health.path == health
    assert len((folder / "headway.yaml").read_text().splitlines()) == 10
    assert headway("config", "check", folder).exit_code == 0
    text = (folder / ".github/workflows/deliver.yml").read_text()
    (job,) = reader.read(text, "deliver.yml").jobs
    uses = [step.uses.text for step in job.steps if step.uses]
    assert uses == ["actions/checkout@v4", "actions/upload-artifact@v4"]


@pytest.mark.parametrize("present", ["headway.yaml", ".github/workflows/deliver.yml"])
def test_init_never_overwrites(tmp_path: Path, present: str) -> None:
    folder = project(tmp_path / "shop", {"index.html": "", present: "mine"})
    before = sorted(folder.rglob("*"))
    result = headway("init", folder)
    assert result.exit_code == 3
    assert f"{present} exists" in result.stderr
    assert sorted(folder.rglob("*")) == before
    assert (folder / present).read_text() == "mine"


def test_init_writes_through_no_link(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", {"index.html": ""})
    (tmp_path / "away").mkdir()
    (folder / ".github").symlink_to(tmp_path / "away")
    assert headway("init", folder).exit_code == 3
    (folder / ".github").unlink()
    (folder / "headway.yaml").symlink_to(tmp_path / "away" / "x")
    assert headway("init", folder).exit_code == 3
    assert not list((tmp_path / "away").iterdir())


def test_init_writes_all_or_nothing(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", {"index.html": "", ".github": "a file"})
    assert headway("init", folder).exit_code != 0
    assert not (folder / "headway.yaml").exists()


def test_init_where_nothing_is_known_says_what_it_looked_for(tmp_path: Path) -> None:
    result = headway("init", tmp_path)
    assert result.exit_code == 2
    assert "pyproject.toml" in result.stderr
    assert headway("init", tmp_path / "nowhere").exit_code == 2


def test_init_refuses_what_headway_yaml_cannot_say(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", {"Procfile": "web: ./x ${{ secrets.A }}\n"})
    assert headway("init", folder).exit_code == 2
    assert not (folder / "headway.yaml").exists()


def test_init_takes_the_branch_that_is_checked_out(tmp_path: Path) -> None:
    files = {"index.html": "", ".git/HEAD": "ref: refs/heads/trunk\n"}
    folder = project(tmp_path / "shop", files)
    document = json.loads(headway("init", folder, "--json").stdout)
    assert document["written"] == ["headway.yaml", ".github/workflows/deliver.yml"]
    assert settings.load(folder).branch == "trunk"
    assert '["trunk"]' in (folder / ".github/workflows/deliver.yml").read_text()


def test_the_pack_step_of_init_makes_the_artifact(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", {"index.html": "hello", "a/.hidden": "x", ".git/HEAD": ""})
    headway("init", folder)
    text = (folder / ".github/workflows/deliver.yml").read_text()
    (job,) = reader.read(text, "deliver.yml").jobs
    script = next(s.run.text for s in job.steps if s.run and s.name and s.name.text == "Pack")
    assert script
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=folder, check=True, timeout=60)
    release = folder / "release"
    assert (release / "index.html").read_text() == "hello"
    assert (release / "a" / ".hidden").exists()
    assert not (release / ".git").exists()
    assert not (release / "release").exists()
