"""--keep keeps what went well: a demo that failed leaves nothing running, and says so."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headway.cli.context import Context
from headway.demo import chronicle, perform
from headway.model.errors import Failed, HeadwayError


class Show:
    """Plays nothing; remembers how it was left."""

    def __init__(self, home: Path, error: HeadwayError | None = None) -> None:
        self.stage, self.error, self.left = SimpleNamespace(home=home), error, list[bool]()

    def play(self) -> None:
        if self.error:
            raise self.error

    def leave(self, *, running: bool) -> None:
        self.left.append(running)


def played(show: Show, monkeypatch: pytest.MonkeyPatch, *problems: str) -> int:
    def document(_show: Any, _seconds: float, error: HeadwayError | None) -> Any:
        found = [*([str(error)] if error else []), *problems]
        return {"ok": not found, "problems": found, "evidence": {"logs": []}}, []

    monkeypatch.setattr(chronicle, "document", document)
    context = Context()
    context.json = True
    return perform.perform(context, show, None, keep=True)  # type: ignore[arg-type]


def test_what_went_well_keeps_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show = Show(tmp_path)
    assert played(show, monkeypatch) == 0
    assert show.left == [True]


def test_what_came_out_wrong_is_stopped_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show = Show(tmp_path)
    assert played(show, monkeypatch, "v3 was not rolled back") == 1
    assert show.left == [True, False]
    said = capsys.readouterr().err
    assert "not kept, because it failed: nothing of the demo runs any more" in said
    assert str(tmp_path) in said


def test_what_broke_off_is_stopped_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show = Show(tmp_path, Failed("the server ended", code="server"))
    assert played(show, monkeypatch) == 1
    assert show.left == [False]
    assert "not kept" in capsys.readouterr().err
