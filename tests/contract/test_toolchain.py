"""Another toolchain has another fingerprint; the same has the same."""

import os
from pathlib import Path

import pytest

from headway.adapters.linux.toolchain import fingerprints


def tool(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_what_jobs_find_is_known_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tool(tmp_path / "bin", "node", "echo v20")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    first = fingerprints(tmp_path)
    assert first == fingerprints(tmp_path)
    assert {"bash", "git", "node", "machine"} <= set(first)
    newer = tool(tmp_path / "other", "node", "echo v22.1")
    node.unlink()
    node.symlink_to(newer)
    second = fingerprints(tmp_path)
    assert {n for n in first if first[n] != second[n]} == {"node"}
    (tmp_path / "tools" / "node" / "22.1.0" / "x64").mkdir(parents=True)
    assert fingerprints(tmp_path)["tools"] == "tools/node/22.1.0/x64"
