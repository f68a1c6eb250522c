"""What a step sees of the home: its runs and what steps are made of; no key, token or database."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.job_runs import QUICK, Seen, order, runner_in, short_home

from headway.adapters.linux.runner import LinuxRunner

SECRET = "a private key"
HIDDEN = ("keys/signing.key", "token", "headway.db", "connections/forge.json", "git/other.git/HEAD")
WAYS = ("{home}", "/proc/1/root{home}", "/proc/self/root{home}", "/proc/$PPID/root{home}")


@pytest.fixture(scope="module", params=["any", "user"])
def runner(request: pytest.FixtureRequest) -> Iterator[LinuxRunner]:
    with short_home() as home:
        for name in HIDDEN:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(SECRET)
        made = runner_in(home, replace(QUICK, namespaces=request.param))
        if not made._nursery.able().namespaces:
            pytest.skip("no namespaces here")
        yield made
        made._nursery.close()


def test_no_key_token_or_database_is_seen(runner: LinuxRunner) -> None:
    home = runner._home
    places = [f"{way}/{name}" for way in WAYS for name in HIDDEN]
    script = "\n".join(f'cat "{place.format(home=home)}" || true' for place in places)
    seen = Seen()
    report = runner.run(order("look", script, f"ls {home}; ls -d {home}/runs/run_1"), {}, seen)
    assert report.outcome == "success", seen.text()
    assert SECRET not in seen.text()
    assert seen.text().count("No such file") == len(places)
    listed = [line.text for number, line in seen.lines if number == 1]
    assert listed == ["actions", "containers", "runs", "tools", f"{home}/runs/run_1"]


def test_nothing_is_written_beside_and_the_home_stays_as_it_was(runner: LinuxRunner) -> None:
    home, seen = runner._home, Seen()
    script = f"touch {home}/token {home}/new && exit 3; mkdir {home}/keys && exit 4; echo kept"
    assert runner.run(order("write", script), {}, seen).outcome == "success", seen.text()
    assert "kept" in seen.text()
    assert not (home / "new").exists()
    assert [(home / name).read_text() for name in HIDDEN] == [SECRET] * len(HIDDEN)


def test_what_is_new_in_the_home_is_not_seen_and_new_tools_are(runner: LinuxRunner) -> None:
    home, seen = runner._home, Seen()
    assert runner.run(order("one", "true"), {}, Seen()).outcome == "success"
    (home / "late.key").write_text(SECRET)
    (home / "tools" / "late").write_text("a tool")
    script = f"cat {home}/tools/late; cat {home}/late.key || true"
    assert runner.run(order("two", script), {}, seen).outcome == "success"
    assert "a tool" in seen.text()
    assert SECRET not in seen.text()


def test_a_folder_that_was_put_elsewhere_is_still_there(tmp_path: Path) -> None:
    with short_home() as home:
        (tmp_path / "disk").mkdir()
        (home / "runs").symlink_to(tmp_path / "disk")
        runner = runner_in(home)
        assert runner.run(order("far", "echo here > out; cat out"), {}, Seen()).outcome == "success"
        runner._nursery.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_step_of_a_plain_user_cannot_take_the_veil_off() -> None:
    """The same calls, where the server is not root: in a user namespace of its own."""
    with short_home() as home:
        (home / "token").write_text(SECRET)
        for path in (home, home / "token"):
            shutil.chown(path, 65534, 65534)
        script = (
            f"umount {home} && echo bare; unshare -m umount {home} && echo bare; "
            f"unshare -rm umount {home} && echo bare; cat {home}/token || echo hidden"
        )
        ran = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(home), script],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if ran.returncode == 77:
            pytest.skip("no user namespaces for others than root here")
        assert ran.stdout == "hidden\n", ran.stdout + ran.stderr


AS_NOBODY = """
import os, sys
from pathlib import Path
from headway.adapters.linux.nursery import namespaces
os.setgid(65534)
os.setuid(65534)
namespaces._call("prctl", 4, 1, 0, 0, 0)  # dumpable again: /proc/self is its own
try:
    namespaces.enter_user_namespace()
    namespaces.nest()
    pids = namespaces.PidNamespaces()
except OSError:
    os._exit(77)
pid = pids.fork()
if pid == 0:
    assert namespaces.own_proc()
    namespaces.veil(Path(sys.argv[1]), ("runs",))
    os.execv("/bin/sh", ["sh", "-c", sys.argv[2]])
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
