"""setup-python, -node, -go and -java with what is installed here, and with what is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.actions_bench import ActionsBench, commit

from headway.adapters.linux.actions.acting import Acting
from headway.adapters.linux.actions.installed import JAVA, NODE, PYTHON, tools
from headway.model.errors import Failed, HeadwayError, Invalid, Refused
from headway.model.job import StepSpec

PY, JS = "actions/setup-python@v5", "actions/setup-node@v4"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def bench(tmp_path: Path) -> ActionsBench:
    made = ActionsBench(tmp_path)
    made.work().mkdir(parents=True)
    return made


def then(acting: Acting, *argv: str) -> str:
    """What a later step sees."""
    path = ":".join([*acting.added_path, acting.env["PATH"]])
    env = {**acting.env, **acting.added_env, "PATH": path}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_python_as_an_environment_of_the_job(bench: ActionsBench) -> None:
    acting = bench.use(PY, python_version=HERE)
    version = acting.outputs["python-version"]
    assert version.startswith(HERE)
    assert then(acting, "python", "-V") == f"Python {version}"
    assert then(acting, "python3", "-c", "import sys; print(sys.prefix)") == str(
        acting.temp / f"tools/python-{version}"
    )
    assert acting.outputs["python-path"] == then(acting, "which", "python")
    listed = then(acting, "pip", "list", "--format=freeze", "--disable-pip-version-check")
    names = {line.partition("==")[0] for line in listed.splitlines()}
    assert "pip" in names
    assert names <= {"pip", "setuptools"}
    again = bench.use(PY, python_version=HERE)
    assert again.outputs == acting.outputs


def test_versions_that_are_here_are_told_apart(bench: ActionsBench) -> None:
    here = tools(PYTHON, bench.home / "tools")
    assert [t.version for t in here] == sorted({t.version for t in here}, reverse=True)
    oldest, newest = here[-1], here[0]
    assert bench.use(PY, python_version=">=3").outputs["python-version"].startswith("3.")
    assert newest.version >= oldest.version
    assert all(os.access(t.program, os.X_OK) for t in here)


def test_what_is_not_here_is_refused_before_the_job(bench: ActionsBench) -> None:
    with pytest.raises(Refused, match=r"Python 2\.3 is not on this machine: here is ") as refused:
        bench.use(PY, python_version="2.3")
    assert refused.value.code == "no-tool"
    assert HERE in refused.value.why
    matrix = bench.order(
        contexts={"matrix": {"py": "9.9"}},
        steps=(StepSpec("s", uses=PY, inputs={"python-version": "${{ matrix.py }}"}),),
    )
    with pytest.raises(Refused, match=r"Python 9\.9"):
        bench.finder.find(matrix, PY, bench.work())
    late = bench.order(
        steps=(StepSpec("s", uses=PY, inputs={"python-version": "${{ steps.a.outputs.x }}"}),)
    )
    bench.finder.find(late, PY, bench.work())


@pytest.mark.parametrize("version", ["pypy3.10", "3.11; id", "graalpy-22"])
def test_what_is_no_version(bench: ActionsBench, version: str) -> None:
    with pytest.raises(Refused, match="not understood"):
        bench.use(PY, python_version=version)


def test_version_files(bench: ActionsBench) -> None:
    (bench.work() / "pyproject.toml").write_text(f'[project]\nrequires-python = ">={HERE}"\n')
    assert bench.use(PY, python_version_file="pyproject.toml").outputs["python-version"]
    (bench.work() / ".python-version").write_text(HERE)
    assert bench.use(PY).outputs["python-version"].startswith(HERE)
    with pytest.raises(Failed, match="no file 'none'"):
        bench.use(PY, python_version_file="none")
    (bench.work() / "out").symlink_to("/etc/hostname")
    for hostile in ("/etc/hostname", "../x", "out"):
        with pytest.raises(HeadwayError):
            bench.use(PY, python_version_file=hostile)
    (bench.work() / "pyproject.toml").write_text("[")
    with pytest.raises(Invalid):
        bench.use(PY, python_version_file="pyproject.toml")


def test_node_comes_without_what_lies_beside_it(bench: ActionsBench) -> None:
    if not tools(NODE, bench.home):
        pytest.skip("Node.js is not installed")
    first = bench.use(PY, python_version=HERE)
    node = bench.use(JS, node_version=">=18", cache="npm")
    assert node.outputs["node-version"] == then(node, "node", "--version")
    assert node.outputs["cache-hit"] == "false"
    if shutil.which("npm"):
        assert then(node, "npm", "--version")
    node.added_path += first.added_path
    assert then(node, "which", "python3") == str(
        Path(first.outputs["python-path"]).parent / "python3"
    )


@pytest.mark.parametrize("wanted", ["node", "latest", "*", "lts/*"])
def test_words_for_node(bench: ActionsBench, wanted: str) -> None:
    here = tools(NODE, bench.home)
    if not any(t.version[0] % 2 == 0 for t in here):
        pytest.skip("no LTS Node.js is installed")
    assert bench.use(JS, node_version=wanted).outputs["node-version"].startswith("v")


def test_a_registry_for_npm(bench: ActionsBench) -> None:
    if not tools(NODE, bench.home):
        pytest.skip("Node.js is not installed")
    url = "https://npm.example.org/team"
    acting = bench.use(JS, node_version="*", registry_url=url, scope="me")
    text = Path(acting.added_env["NPM_CONFIG_USERCONFIG"]).read_text()
    assert "//npm.example.org/team/:_authToken=${NODE_AUTH_TOKEN}" in text
    assert "@me:registry=https://npm.example.org/team/" in text
    with pytest.raises(Failed):
        bench.use(JS, node_version="*", registry_url="file:///etc")


def test_java(bench: ActionsBench) -> None:
    here = tools(JAVA, bench.home / "tools")
    if not here:
        pytest.skip("no JDK is installed")
    major = str(here[0].version[0])
    uses = "actions/setup-java@v4"
    acting = bench.use(uses, java_version=major, distribution="temurin")
    assert then(acting, "javac", "-version").startswith(f"javac {major}")
    assert acting.added_env["JAVA_HOME"] == acting.outputs["path"]
    with pytest.raises(Refused, match="Java 3 is not on this machine"):
        bench.use(uses, java_version="3", distribution="temurin")


def test_a_tool_cache_as_runners_have_it(bench: ActionsBench) -> None:
    program = bench.home / "tools/go/1.99.3/x64/bin/go"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho go1.99.3\n")
    program.chmod(0o755)
    (bench.work() / "go.mod").write_text("module x\ngo 1.99\n")
    acting = bench.use("actions/setup-go@v5", go_version_file="go.mod")
    assert acting.outputs["go-version"] == "1.99.3"
    assert then(acting, "go") == "go1.99.3"
    with pytest.raises(Refused, match=r"here is .*1\.99\.3"):
        bench.use("actions/setup-go@v5", go_version="0.1")


def test_a_local_action_may_have_the_name_of_a_built_in_one(bench: ActionsBench) -> None:
    text = "name: x\nruns: {using: composite, steps: [{run: echo, shell: bash}]}\n"
    sha = commit(bench.repo, {"actions/setup-python/action.yml": text})
    found = bench.finder.find(bench.order(sha=sha), "./actions/setup-python", bench.work())
    assert type(found).__name__ == "Composed"
