"""`headway workflow check`: what it prints, what it ends with, what it compares."""

import json
from pathlib import Path

import pytest

from headway.adapters.linux.actions.builtin import BUILTIN
from headway.cli.main import main
from headway.pipeline.syntax.check import BUILT_IN

BAD = "on: pusj\npermissions: {}\njobs:\n  a:\n    runs-on: x\n    steps: [{rum: x}]\n"
WARNED = "on: push\npermissions: {}\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n"


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["workflow", "check", *map(str, args)])
    return int(ended.value.code or 0)


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_errors_are_told_with_their_line_and_a_caret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "ci.yml", BAD)
    assert run(file) == 2
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0]
        == f"{file}:1:5: error: unknown event `pusj`. Did you mean `push`?  [unknown-event]"
    )
    assert lines[1] == "    1 | on: pusj"
    assert lines[2] == "      |     ^"
    assert lines[-1] == "1 file: 3 errors, 0 warnings"


def test_warnings_alone_end_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write(tmp_path, "ci.yml", WARNED)) == 0
    assert "warning: `a` has no `timeout-minutes`" in capsys.readouterr().out


def test_json_is_a_list_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path, "a.yml", BAD), write(tmp_path, "b.yml", WARNED)]
    assert run(*files, "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert [list(one) for one in told] == [["file", "diagnostics"]] * 2
    assert [one["file"] for one in told] == [str(f) for f in files]
    first = told[0]["diagnostics"][0]
    assert sorted(first) == ["column", "line", "message", "severity"]
    assert (first["severity"], first["line"], first["column"]) == ("error", 1, 5)
    assert {d["severity"] for d in told[1]["diagnostics"]} == {"warning"}


def test_a_folder_stands_for_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a.yml", WARNED)
    write(tmp_path, "b.yaml", BAD)
    write(tmp_path, "notes.md", "x")
    assert run(tmp_path) == 2
    assert "2 files: 3 errors" in capsys.readouterr().out


def test_an_action_is_read_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = "name: a\nruns: {using: node20, main: x.js}\n"
    assert run(write(tmp_path, "action.yml", good)) == 0
    assert run(write(tmp_path, "action.yml", good + "x: y\n")) == 2
    assert "unknown key `x`" in capsys.readouterr().out


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "no.yml") == 2
    assert "cannot be read  [missing-file]" in capsys.readouterr().err


def test_bytes_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ci.yml"
    file.write_bytes(b"on: push\nname: \xff\n")
    assert run(file) == 2
    assert "2:7: error: byte 0xff is not UTF-8" in capsys.readouterr().out


def test_escape_sequences_of_a_file_are_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'on: push\nname: "\\e[31mred\\u202e"\njobs: {a: {runs-on: x, "b\\e[2J": y}}\n'
    assert run(write(tmp_path, "ci.yml", text)) == 2
    assert "\x1b" not in capsys.readouterr().out


def test_local_calls_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / ".github" / "workflows"
    call = "on: push\npermissions: {}\njobs: {a: {uses: ./.github/workflows/t.yml, with: {b: 1}}}\n"
    target = "on: {workflow_call: {inputs: {bb: {type: string}}}}\njobs: {x: {runs-on: y}}\n"
    file = write(folder, "ci.yml", call)
    assert run(file) == 2
    assert "there is no readable file `./.github/workflows/t.yml`" in capsys.readouterr().out
    write(folder, "t.yml", target)
    assert run(file) == 2
    assert "has no input `b`. Did you mean `bb`?" in capsys.readouterr().out
    write(folder, "t.yml", target.replace("bb", "b"))
    assert run(file) == 0
    write(folder, "t.yml", "on: x")
    assert run(file) == 2
    assert "the called workflow is wrong" in capsys.readouterr().out


def test_a_time_zone_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "on: {schedule: [{cron: '0 0 * * *', timezone: Europe/Atlantis}]}\npermissions: {}\n"
    assert run(write(tmp_path, "ci.yml", text + "jobs: {a: {runs-on: x}}\n")) == 2
    assert "there is no time zone `Europe/Atlantis`" in capsys.readouterr().out


def test_the_actions_that_are_exempt_are_those_that_are_built_in() -> None:
    assert set(BUILT_IN) == set(BUILTIN)


OLD = "deprecationMessage: take level"
ACTION = f"""\
name: own
inputs: {{Size: {{{OLD}}}, level: {{default: x}}}}
runs: {{using: composite, steps: [{{uses: ./.github/deep, with: {{how: z}}}}]}}
"""
DEEP = f"""\
name: deep
inputs: {{how: {{{OLD}}}}}
runs: {{using: composite, steps: [{{run: z, shell: sh}}]}}
"""
GIVES = """\
on: push
permissions: {}
jobs:
  act:
    runs-on: x
    timeout-minutes: 5
    steps:
      - {uses: ./.github/own, with: {size: 7}}
      - {uses: ./.github/own, with: {level: 7}}
      - {uses: ./.github/none, with: {size: 7}}
"""


def test_deprecated_inputs_are_told_where_they_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flows = tmp_path / ".github" / "workflows"
    own = write(tmp_path, ".github/own/action.yml", ACTION)
    write(tmp_path, ".github/deep/action.yaml", DEEP)
    (tmp_path / ".git").mkdir()
    file = write(flows, "ci.yml", GIVES)
    assert run(file, own, "--json") == 0
    by_file = {o["file"]: o["diagnostics"] for o in json.loads(capsys.readouterr().out)}
    told = {f: [(d["line"], d["column"], d["message"]) for d in by_file[f]] for f in by_file}
    assert told == {
        str(file): [
            (8, 44, "the input `Size` is deprecated: take level [deprecated-input]"),
        ],
        str(own): [(3, 69, "the input `how` is deprecated: take level [deprecated-input]")],
    }
