"""checkout, local, remote, JavaScript and composite actions: what is found, and what it does."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.actions_bench import ActionsBench, commit, git

from headway.adapters.linux.actions.acting import Composed, Direct
from headway.model.errors import Failed, HeadwayError, Invalid, Refused

CHECKOUT = "actions/checkout@v4"
JS = """\
name: js
inputs: {who to greet: {default: nobody}}
runs: {using: node20, main: main.js, pre: pre.js, post: post.js, post-if: success()}
"""
MAIN = """\
const fs = require('fs');
console.log('hello ' + process.env['INPUT_WHO_TO_GREET']);
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'cwd=' + process.cwd() + '\\n');
fs.appendFileSync(process.env.GITHUB_STATE, 'left=behind\\n');
"""
COMPOSITE = """\
name: c
inputs: {x: {default: "1"}}
outputs: {y: {value: "${{ steps.a.outputs.y }}"}}
runs:
  using: composite
  steps: [{id: a, run: echo, shell: bash}]
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ActionsBench]:
    yield ActionsBench(tmp_path)
    for parent, _, _ in os.walk(tmp_path):
        Path(parent).chmod(0o755)


def status(folder: Path) -> str:
    return git(folder, "status", "--porcelain", "--branch")


def test_a_clean_tree_with_a_git_that_works(bench: ActionsBench) -> None:
    second = commit(bench.repo, {"b/c.txt": "two\n"})
    git(bench.repo, "tag", "v1")
    (bench.repo / "a.txt").write_text("dirty\n")
    acting = bench.use(CHECKOUT, bench.order(sha=second))
    work = bench.work()
    assert (work / "a.txt").read_text() == "one\n"
    assert status(work) == "## main...origin/main"
    assert git(work, "log", "--format=%s") == "more"
    assert git(work, "rev-parse", "HEAD") == second
    assert git(work, "diff-index", "--quiet", "HEAD") == ""
    assert acting.outputs == {"ref": "refs/heads/main", "commit": second}
    (work / "new.txt").write_text("x")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "mine")
    assert git(work, "rev-list", "--count", "HEAD") == "2"
    assert git(bench.repo, "rev-parse", "main") == second


@pytest.mark.parametrize(("depth", "count"), [("1", "1"), ("2", "2"), ("0", "4"), ("99", "4")])
def test_fetch_depth(bench: ActionsBench, depth: str, count: str) -> None:
    git(bench.repo, "tag", "-a", "v1", "-m", "tagged")
    for n in range(3):
        sha = commit(bench.repo, {"a.txt": f"{n}"})
    bench.use(CHECKOUT, bench.order(sha=sha), fetch_depth=depth)
    work = bench.work()
    assert git(work, "rev-list", "--count", "HEAD") == count
    assert git(work, "tag") == ("v1" if depth == "0" else "")
    assert git(work, "fsck", "--connectivity-only", "--no-dangling") == ""
    if depth == "0":
        assert git(work, "describe").startswith("v1-3-g")


def test_another_ref_another_path_and_a_second_checkout(bench: ActionsBench) -> None:
    git(bench.repo, "checkout", "-q", "-b", "other")
    other = commit(bench.repo, {"o.txt": "o"})
    bench.use(CHECKOUT)
    acting = bench.use(CHECKOUT, ref="other", path="nested/there")
    assert (bench.work() / "nested/there/o.txt").read_text() == "o"
    assert git(bench.work() / "nested/there", "rev-parse", "HEAD") == other
    assert acting.outputs["ref"] == "refs/heads/other"
    bench.use(CHECKOUT)
    assert sorted(p.name for p in bench.work().iterdir()) == [".git", "a.txt"]


def test_a_working_tree_as_it_is(bench: ActionsBench) -> None:
    commit(bench.repo, {".gitignore": "*.o\n", "gone.txt": "x", "run.sh": "#!/bin/sh\n"})
    sha = git(bench.repo, "rev-parse", "HEAD")
    (bench.repo / "gone.txt").unlink()
    (bench.repo / "a.txt").write_text("dirty\n")
    (bench.repo / "new.txt").write_text("new\n")
    (bench.repo / "x.o").write_text("ignored")
    (bench.repo / "run.sh").chmod(0o755)
    (bench.repo / "link").symlink_to("a.txt")
    bench.use(CHECKOUT, bench.order(sha=sha, folder=str(bench.repo)))
    work = bench.work()
    assert sorted(p.name for p in work.iterdir()) == [
        *(".git", ".gitignore", "a.txt", "link", "new.txt", "run.sh")
    ]
    assert (work / "a.txt").read_text() == "dirty\n"
    assert os.access(work / "run.sh", os.X_OK)
    changed = git(work, "status", "--porcelain").splitlines()
    assert sorted(line.split()[-1] for line in changed) == [
        *("a.txt", "gone.txt", "link", "new.txt", "run.sh")
    ]
    (work / "a.txt").write_text("by a step")
    assert (bench.repo / "a.txt").read_text() == "dirty\n"


def test_a_working_tree_without_a_repository(bench: ActionsBench, tmp_path: Path) -> None:
    (tmp_path / "plain/sub").mkdir(parents=True)
    (tmp_path / "plain/sub/x").write_text("x")
    bench.use(CHECKOUT, bench.order(sha="0" * 40, folder=str(tmp_path / "plain")))
    assert (bench.work() / "sub/x").read_text() == "x"
    assert not (bench.work() / ".git").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("submodules", "true"),
        ("lfs", "true"),
        ("ssh-key", "x"),
        ("sparse-checkout", "src"),
        ("colour", "red"),
    ],
)
def test_inputs_that_are_not_done_are_refused(bench: ActionsBench, name: str, value: str) -> None:
    with pytest.raises(Refused, match=name):
        bench.use(CHECKOUT, **{name: value})
    assert list(bench.work().iterdir()) == []


def test_inputs_that_change_nothing_are_taken(bench: ActionsBench) -> None:
    given = {"persist-credentials": "false", "submodules": "false", "token": "t", "lfs": "false"}
    bench.use(CHECKOUT, **given)
    assert (bench.work() / "a.txt").exists()


@pytest.mark.parametrize("path", ["..", "/tmp/x", "out/x", "a\0b"])
def test_a_checkout_stays_in_the_workspace(bench: ActionsBench, path: str) -> None:
    bench.work().mkdir(parents=True)
    (bench.work() / "out").symlink_to("/tmp")
    with pytest.raises(Failed) as refused:
        bench.use(CHECKOUT, path=path)
    assert refused.value.code == "outside"


@pytest.mark.parametrize("depth", ["-1", "x", "1.5"])
def test_depths_are_numbers(bench: ActionsBench, depth: str) -> None:
    with pytest.raises(Failed, match="fetch-depth"):
        bench.use(CHECKOUT, fetch_depth=depth)


def test_a_step_cannot_make_git_run_its_own_things(bench: ActionsBench, tmp_path: Path) -> None:
    """A second checkout over a workspace whose .git was prepared by a step."""
    bench.use(CHECKOUT)
    work = bench.work()
    mark = tmp_path / "ran"
    git(work, "config", "core.fsmonitor", f"touch {mark}")
    git(work, "config", "filter.x.clean", f"touch {mark}")
    (work / ".gitattributes").write_text("* filter=x\n")
    (work / ".git/hooks").mkdir(exist_ok=True)
    (work / ".git/hooks/post-checkout").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (work / ".git/hooks/post-checkout").chmod(0o755)
    bench.use(CHECKOUT)
    assert not mark.exists()
    assert git(work, "config", "--default", "none", "--get", "core.fsmonitor") == "none"


def test_a_local_javascript_action(bench: ActionsBench) -> None:
    sha = commit(bench.repo, {"ci/js/action.yml": JS, "ci/js/main.js": MAIN, "ci/js/post.js": ""})
    order = bench.order(sha=sha)
    before = bench.finder.find(order, "./ci/js", bench.work())
    assert isinstance(before, Direct)
    assert before.pre is None
    assert before.post_if == "success()"
    assert before.action is not None
    assert before.action.inputs[0].name == "who to greet"
    bench.use(CHECKOUT, order)
    acting = bench.use("./ci/js", order, **{"who to greet": "world"})
    assert "hello world" in bench.hands.lines
    assert acting.outputs["cwd"] == str(bench.work())
    assert acting.state == {"left": "behind"}


def test_a_remote_javascript_action_with_all_its_parts(bench: ActionsBench) -> None:
    post = "console.log('post ' + process.env.STATE_left)"
    files = {"sub/action.yml": JS, "sub/main.js": MAIN, "sub/post.js": post, "sub/pre.js": "1"}
    sha = commit(bench.mirrors / "tools/js", files)
    git(bench.mirrors / "tools/js", "tag", "v1")
    acting = bench.use("tools/js/sub@v1", **{"who to greet": "you"})
    assert bench.hands.lines[0] == f"tools/js@v1 is not in headway.lock; now it means {sha}"
    found = bench.finder.find(acting.order, "tools/js/sub@v1", acting.checkout)
    assert isinstance(found, Direct)
    assert found.pre is not None
    assert found.pre(acting) == 0
    assert bench.after(acting) == 0
    assert bench.hands.lines[-1] == "post behind"


def test_a_lock_holds_although_the_tag_moves(bench: ActionsBench) -> None:
    mirror = bench.mirrors / "tools/js"
    sha = commit(mirror, {"action.yml": JS, "main.js": "console.log('first')", "pre.js": ""})
    git(mirror, "tag", "v1")
    commit(mirror, {"main.js": "console.log('second')"})
    git(mirror, "tag", "-f", "v1")
    bench.use("tools/js@v1", bench.order(actions={"tools/js@v1": sha}))
    assert bench.hands.lines == ["first"]
    bench.use("tools/js@v1")
    assert bench.hands.lines[-1] == "second"


def test_composite_actions_are_given_to_the_runner(bench: ActionsBench) -> None:
    sha = commit(bench.repo, {"ci/c/action.yaml": COMPOSITE})
    local = bench.finder.find(bench.order(sha=sha), "./ci/c", bench.work())
    assert isinstance(local, Composed)
    assert local.folder == bench.work() / "ci/c"
    assert local.action.steps[0].id == "a"
    there = commit(bench.mirrors / "tools/c", {"action.yml": COMPOSITE})
    remote = bench.finder.find(bench.order(), f"tools/c@{there}", bench.work())
    assert isinstance(remote, Composed)
    assert (remote.folder / "action.yml").read_text() == COMPOSITE
    assert remote.note.startswith("tools/c@")


def test_a_local_action_is_that_of_the_workspace_if_it_is_there(bench: ActionsBench) -> None:
    sha = commit(bench.repo, {"ci/c/action.yml": COMPOSITE})
    order = bench.order(sha=sha)
    there = bench.work() / "ci/c"
    there.mkdir(parents=True)
    (there / "action.yml").write_text(COMPOSITE.replace("id: a", "id: changed"))
    found = bench.finder.find(order, "./ci/c", bench.work())
    assert isinstance(found, Composed)
    assert found.action.steps[0].id == "changed"


def test_a_dirty_local_action_is_that_of_the_working_tree(bench: ActionsBench) -> None:
    sha = commit(bench.repo, {"ci/c/action.yml": COMPOSITE})
    (bench.repo / "ci/c/action.yml").write_text(COMPOSITE.replace("id: a", "id: dirty"))
    found = bench.finder.find(bench.order(sha=sha, folder=str(bench.repo)), "./ci/c", bench.work())
    assert isinstance(found, Composed)
    assert found.action.steps[0].id == "dirty"


def test_a_failing_script_is_red(bench: ActionsBench) -> None:
    files = {"action.yml": JS, "main.js": "process.exit(7)", "pre.js": "", "post.js": ""}
    sha = commit(bench.mirrors / "tools/js", files)
    found = bench.finder.find(bench.order(), f"tools/js@{sha}", bench.work())
    assert isinstance(found, Direct)
    assert found.main(bench.acting("x", bench.order())) == 7


@pytest.mark.parametrize("main", ["../../x.js", "/etc/passwd", "none.js", "sub"])
def test_scripts_stay_in_the_action(bench: ActionsBench, main: str) -> None:
    files = {"action.yml": JS.replace("main.js", main), "sub/x": ""}
    sha = commit(bench.mirrors / "tools/js", files)
    found = bench.finder.find(bench.order(), f"tools/js@{sha}", bench.work())
    assert isinstance(found, Direct)
    with pytest.raises(Failed) as refused:
        found.main(bench.acting("x", bench.order()))
    assert refused.value.code == "no-script"


@pytest.mark.parametrize(
    ("uses", "code"),
    [
        ("./none", "no-action"),
        ("./../x", "bad-name"),
        ("./ci/../../x", "bad-name"),
        ("nobody", "bad-name"),
        ("a/b", "bad-name"),
        ("a/../b@v1", "bad-name"),
        ("tools/none@v1", "no-action"),
        ("tools/empty@main", "no-action"),
        ("tools/empty@--upload-pack=x", "bad-name"),
        ("tools/empty/../../x@main", "bad-name"),
    ],
)
def test_what_is_no_action(bench: ActionsBench, uses: str, code: str) -> None:
    commit(bench.mirrors / "tools/empty", {"README": ""})
    with pytest.raises(Invalid) as refused:
        bench.finder.find(bench.order(), uses, bench.work())
    assert refused.value.code == code


def test_an_action_with_faults_says_where(bench: ActionsBench) -> None:
    sha = commit(bench.mirrors / "tools/bad", {"action.yml": "name: x\nruns: {using: composite}\n"})
    with pytest.raises(Invalid, match=r"tools/bad/action.yml@[0-9a-f]+:2:7"):
        bench.finder.find(bench.order(), f"tools/bad@{sha}", bench.work())


def test_docker_without_podman_is_refused_by_name(
    bench: ActionsBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "name: d\nruns: {using: docker, image: Dockerfile}\n"
    sha = commit(bench.mirrors / "tools/d", {"action.yml": text})
    monkeypatch.setenv("PATH", _only("git", tmp_path))
    for uses in (f"tools/d@{sha}", "docker://alpine:3"):
        with pytest.raises(Refused, match="podman") as refused:
            bench.finder.find(bench.order(), uses, bench.work())
        assert refused.value.code == "no-podman"


def test_no_node_is_refused_by_name(
    bench: ActionsBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sha = commit(bench.mirrors / "tools/js", {"action.yml": JS})
    monkeypatch.setenv("PATH", _only("git", tmp_path))
    with pytest.raises(Refused, match=r"Node\.js") as refused:
        bench.finder.find(bench.order(), f"tools/js@{sha}", bench.work())
    assert refused.value.code == "no-node"


def _only(program: str, tmp_path: Path) -> str:
    found = subprocess.run(["which", program], capture_output=True, text=True, check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / program).symlink_to(found.stdout.strip())
    return str(tmp_path / "bin")


@pytest.mark.parametrize("using", ["node0x", "ruby", "wasm"])
def test_other_runtimes_are_refused(bench: ActionsBench, using: str) -> None:
    text = json.dumps({"name": "x", "runs": {"using": using, "main": "m.js"}})
    sha = commit(bench.mirrors / "tools/x", {"action.yml": text})
    with pytest.raises(HeadwayError, match=using):
        bench.finder.find(bench.order(), f"tools/x@{sha}", bench.work())
