"""An upload as a zip: what is in it, in pieces, and nothing that leaves its folder anywhere."""

import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from headway.adapters.disk.blob_store import DiskBlobs
from headway.adapters.linux import archive
from headway.adapters.linux.actions.listing import Entry, dump
from headway.api.v1.run_files import disposition
from headway.model.errors import Failed, Invalid
from headway.pipeline.run.kept import KeptFile

AT = 1_780_000_000.0


@pytest.fixture
def blobs(tmp_path: Path) -> DiskBlobs:
    return DiskBlobs(tmp_path)


def upload(blobs: DiskBlobs, files: dict[str, bytes], **links: str) -> str:
    entries = [Entry(n, blobs.put(io.BytesIO(b)), n.endswith(".sh")) for n, b in files.items()]
    entries += [Entry(n, link=to) for n, to in links.items()]
    return blobs.put(io.BytesIO(dump(entries)))


def zipped(blobs: DiskBlobs, digest: str) -> tuple[zipfile.ZipFile, list[int]]:
    pieces = list(archive.zipped(blobs, archive.entries(blobs, digest), AT))
    return zipfile.ZipFile(io.BytesIO(b"".join(pieces))), [len(p) for p in pieces]


def test_files_come_back_with_their_bytes_modes_and_links(blobs: DiskBlobs) -> None:
    files = {"a.txt": b"hello", "deep/run.sh": b"#!/bin/sh\n", "é.txt": b""}
    found, _ = zipped(blobs, upload(blobs, files, latest="deep/run.sh"))
    assert found.testzip() is None
    assert {n: found.read(n) for n in files} == files
    modes = {i.filename: i.external_attr >> 16 for i in found.infolist()}
    assert (modes["a.txt"], modes["deep/run.sh"]) == (stat.S_IFREG | 0o644, stat.S_IFREG | 0o755)
    assert stat.S_ISLNK(modes["latest"])
    assert found.read("latest") == b"deep/run.sh"


def test_a_large_file_is_never_whole_in_memory(blobs: DiskBlobs) -> None:
    large = bytes(range(256)) * (1 << 14)
    found, pieces = zipped(blobs, upload(blobs, {"large.bin": large, "more.bin": large}))
    assert found.read("large.bin") == large
    assert max(pieces) <= 2 * archive.PIECE
    assert len(pieces) > 2 * len(large) // archive.PIECE


def test_names_mean_the_same_on_every_system(blobs: DiskBlobs) -> None:
    files = {"..\\..\\evil": b"1", "C:evil": b"2", "dots./x": b"3", "\u202egnp": b"4", "...": b"5"}
    found, _ = zipped(blobs, upload(blobs, files | {"C_evil": b"6"}))
    assert sorted(found.namelist()) == [
        ".._.._evil", "C_evil", "C_evil~2", "_", "_gnp", "dots/x",
    ]  # fmt: skip
    assert sorted(found.read(n) for n in found.namelist()) == [b"1", b"2", b"3", b"4", b"5", b"6"]


@pytest.mark.parametrize(
    "links",
    [
        {"x": "/etc/passwd"},
        {"x": "../x"},
        {"x": "a/../../y"},
        {"x": "..\\y"},
        {"deep": "elsewhere"},  # deep/b is below it
    ],
)
def test_what_could_be_unpacked_outside_is_refused(blobs: DiskBlobs, links: Any) -> None:
    digest = upload(blobs, {"deep/b": b""}, **links)
    with pytest.raises(Failed) as refused:
        archive.entries(blobs, digest)
    assert refused.value.code == "hostile-upload"


def test_a_list_that_nobody_here_wrote_is_refused(blobs: DiskBlobs) -> None:
    for path in ("../x", "/x", "a//b", ""):
        rows = [{"path": path, "digest": "sha256:" + "0" * 64, "executable": False}]
        digest = blobs.put(io.BytesIO(json.dumps(rows).encode()))
        with pytest.raises(Failed):
            archive.entries(blobs, digest)
    with pytest.raises(Invalid):
        archive.entries(blobs, "sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("dist", "dist.zip"),
        ('a"; filename="evil.html', "a_filename_evil.html.zip"),
        ("a\r\nset-cookie: x", "a_set-cookie_x.zip"),
        ("übersicht", "_bersicht.zip"),
        ("..", "zip"),
    ],
)
def test_the_name_of_a_download_is_harmless(name: str, plain: str) -> None:
    said = disposition(KeptFile("fil_1", "a", "upload", name, "sha256:0", None, "", AT))
    assert said.startswith(f"attachment; filename=\"{plain}\"; filename*=UTF-8''")
    assert said.isascii()
    assert said.isprintable()
