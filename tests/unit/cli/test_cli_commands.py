"""Every command: common options, examples, help that tells the truth; errors and exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from headway.cli import errors
from headway.cli.context import Context
from headway.cli.main import DAILY, HIDDEN, NOUNS, Root, main
from headway.cli.options import Noun, Verb
from headway.cli.reference import render
from headway.model.errors import (
    Drifted,
    Failed,
    HeadwayError,
    Invalid,
    Problem,
    Refused,
    Unreachable,
)

ROOT = Path(__file__).parents[3]


def every(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from every(below, f"{path} {name}")


def commands() -> list[tuple[str, click.Command]]:
    ctx = click.Context(main)
    found = [(n, main.get_command(ctx, n)) for n in main.list_commands(ctx)]
    return [pair for name, one in found if one is not None for pair in every(one, name)]


COMMANDS = commands()
IDS = [path for path, _ in COMMANDS]


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=IDS)
def test_every_command_knows_the_common_options(path: str, command: click.Command) -> None:
    known = {option for p in command.params for option in p.opts}
    missing = {"--json", "--home", "--server", "--quiet", "--no-color", "--yes"} - known
    assert not missing
    assert {"-q", "-v", "-y", "--verbose", "--no-input", "--version"} <= known


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=IDS)
def test_help_works_and_begins_with_examples(path: str, command: click.Command) -> None:
    shown = CliRunner().invoke(main, [*path.split(), "-h"])
    assert shown.exit_code == 0, shown.output
    if isinstance(command, Verb | Noun):
        assert command.examples
        lines = [line for line in shown.output.splitlines() if line]
        assert lines[1] == "Examples:"
        assert all(f"  {e}" in lines for e in command.examples)


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=IDS)
def test_a_command_asked_without_its_root_knows_the_short_help(
    path: str, command: click.Command
) -> None:
    assert CliRunner().invoke(command, ["-h"], prog_name=path).exit_code == 0


@pytest.mark.parametrize("name", [*DAILY, *NOUNS])
def test_the_table_of_commands_says_what_the_command_says(name: str) -> None:
    ctx = click.Context(main)
    command = main.get_command(ctx, name)
    if command is None:
        pytest.skip("not in this version")
    said = (DAILY | NOUNS)[name][1].rstrip(".")
    own = (command.help or "").splitlines()[0]
    assert own.replace("`", "").startswith(said.split(":")[0].split(",")[0].replace("`", ""))


def test_the_reference_page_is_fresh() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text()
    assert page == render(), "run: python -m headway.cli.reference > docs/reference/cli.md"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from headway.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'dbos','numpy','rich','sqlalchemy','httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_whose_module_is_missing_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DAILY, "later", ("headway.cli.no_such_module:later", "Not yet."))
    shown = CliRunner().invoke(main, ["--help"]).output
    assert "later" not in shown
    assert CliRunner().invoke(main, ["later"]).exit_code == 2
    assert all(name not in shown.split() for name in HIDDEN)


def test_common_options_stand_before_or_after_the_noun(tmp_path: Path) -> None:
    home = str(tmp_path / "none")
    before = CliRunner().invoke(main, ["--json", "--home", home, "status"])
    after = CliRunner().invoke(main, ["status", "--json", "--home", home])
    assert before.stdout == after.stdout
    assert json.loads(after.stdout) == {"places": [], "open": [], "line": []}
    assert not Path(home).exists(), "reading must not make a home"


def test_version_and_server() -> None:
    assert CliRunner().invoke(main, ["status", "--version"]).stdout.startswith("headway ")
    refused = CliRunner().invoke(main, ["status", "--server", "http://x"])
    assert refused.exit_code == 2
    assert "planned, not in this version" in refused.stderr


def test_a_wrong_command_line_is_exit_2_also_as_json() -> None:
    text = CliRunner().invoke(main, ["status", "--nope"])
    assert text.exit_code == 2
    assert "headway status --help" in text.stderr
    wrong = CliRunner().invoke(main, ["status", "--nope", "--json"])
    assert wrong.exit_code == 2
    assert json.loads(wrong.stdout)["error"]["code"] == "usage"


ERRORS = [
    (Failed("x"), 1),
    (Invalid("x"), 2),
    (Refused("x"), 3),
    (Unreachable("x"), 6),
    (Drifted("x"), 7),
    (HeadwayError("x"), 70),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[type(e).__name__ for e, _ in ERRORS])
def test_each_error_has_its_exit_code(error: HeadwayError, code: int) -> None:
    assert _fails(error, []).exit_code == code


def _fails(error: BaseException, args: list[str]) -> "click.testing.Result":
    root = Root(name="headway")

    @root.command()
    def fail() -> None:
        raise error

    root.get_command = lambda _ctx, _name: fail  # type: ignore[method-assign]
    from headway.cli.options import equip  # noqa: PLC0415

    equip(fail)
    return CliRunner().invoke(root, ["fail", *args])


def test_an_error_says_what_why_and_the_next_command() -> None:
    error = Refused("no \x1b[31mway", why="because\nof this", next="headway status", code="gate")
    shown = _fails(error, []).stderr.splitlines()
    assert shown == ["error: no way  [gate]", "  because", "  of this", "  next: headway status"]
    told = json.loads(_fails(error, ["--json"]).stdout)["error"]
    assert told["code"] == "gate"
    assert told["next"] == "headway status"


def test_problems_of_a_file_one_per_line_at_most_twenty() -> None:
    problems = tuple(Problem("headway.yaml", n, 1, "wrong", "bad") for n in range(1, 31))
    what = "30 problems, the first 20 shown. Nothing was changed."
    shown = errors.lines(Invalid(what, problems=problems))
    assert shown[0] == "headway.yaml:1:1: wrong  [bad]"
    assert len(shown) == 21
    assert shown[-1] == what


def test_a_bug_names_its_log_and_shows_no_traceback(tmp_path: Path) -> None:
    shown = _fails(ZeroDivisionError("oops"), ["--home", str(tmp_path)])
    assert shown.exit_code == 70
    (log,) = (tmp_path / "log").iterdir()
    assert str(log) in shown.stderr
    assert "Traceback" not in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert "ZeroDivisionError: oops" in log.read_text()
    loud = _fails(ZeroDivisionError("oops"), ["-v", "--home", str(tmp_path)])
    assert "Traceback" in loud.stderr


def test_interrupted_is_130() -> None:
    assert _fails(KeyboardInterrupt(), []).exit_code == 130


def test_a_question_off_a_terminal_needs_yes() -> None:
    context = Context()
    with pytest.raises(Invalid, match="not confirmed"):
        context.confirm("Really?")
    context.yes = True
    context.confirm("Really?")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_HEADWAY_COMPLETE" in done.stdout


def test_completion_lists_commands() -> None:
    words = {"COMP_WORDS": "headway de", "COMP_CWORD": "1", "_HEADWAY_COMPLETE": "bash_complete"}
    program = Path(sys.executable).with_name("headway")
    done = subprocess.run(
        [program], env=os.environ | words, capture_output=True, text=True, check=False
    )
    assert "plain,deliver" in done.stdout.splitlines()
    assert "plain,delivery" in done.stdout.splitlines()
