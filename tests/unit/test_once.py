"""A file that is made once: by one of many, whole, for its owner only."""

import os
import stat
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from headway.once import once


def _mine(file: Path, _number: int) -> bytes:
    return once(file, partial(os.urandom, 32))


def test_of_many_processes_one_makes_it_and_all_have_it(tmp_path: Path) -> None:
    files = [tmp_path / "home" / f"key{n}" for n in range(20)]
    with ProcessPoolExecutor(4) as pool:
        for file in files:
            assert len(set(pool.map(partial(_mine, file), range(8)))) == 1
    assert sorted(tmp_path.glob("home/*")) == sorted(files), "nothing else is left"
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}


def test_what_fails_to_be_made_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> bytes:
        raise ValueError("no randomness")

    with pytest.raises(ValueError, match="no randomness"):
        once(tmp_path / "key", broken)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_made_again(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"first")
    assert once(tmp_path / "key", lambda: b"second") == b"first"
