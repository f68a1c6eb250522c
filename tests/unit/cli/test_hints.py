"""A next command can be copied: it names the home where this command line named one."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from headway.cli.main import main


def said(*words: str) -> str:
    done = CliRunner().invoke(main, list(words))
    return done.stdout + done.stderr


def test_a_hint_repeats_the_home_of_the_command_line(tmp_path: Path) -> None:
    home = str(tmp_path / "my home")
    assert f"Next: headway --home '{home}' deliver" in said("--home", home, "status")
    assert f"next: headway --home '{home}' pipeline list" in said(
        "pipeline", "show", "run_none", "--home", home
    )


def test_a_home_of_the_environment_is_so_for_the_next_command_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "h"))
    assert "Next: headway deliver" in said("status")
    assert "next: headway pipeline list" in said("pipeline", "show", "run_none")


def test_json_names_the_command_without_it(tmp_path: Path) -> None:
    assert '"next": "headway pipeline list"' in said(
        "pipeline", "show", "run_none", "--home", str(tmp_path), "--json"
    )
