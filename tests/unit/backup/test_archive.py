"""Archives and seals: what was written is read, and nothing else is."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from headway.backup import archive, manifest
from headway.backup.archive import safe
from headway.backup.manifest import LogEnd, Manifest, Part
from headway.backup.sealing import CHUNK, TAG, Identity, Lock, Passphrase, Recipient
from headway.model.errors import HeadwayError, Invalid, Refused

LONG = "runs/" + "x" * 200 + "/log.jsonl"


def told(parts: tuple[Part, ...]) -> Manifest:
    end = LogEnd(0, "sha256:")
    return Manifest(manifest.FORMAT, 1.0, "1", 1, "/h", "n", "sqlite", end, {}, (), parts)


def written(lock: Lock | None = None, size: int = 3) -> bytes:
    out = io.BytesIO()
    with archive.writing(out, lock, 1.0) as writer:
        writer.add("token", io.BytesIO(b"x" * size), size)
        writer.add(LONG, io.BytesIO(b"log"), 3)
        writer.finish(told(tuple(writer.parts)))
    return out.getvalue()


def read(data: bytes, lock: Lock | None = None) -> dict[str, bytes]:
    seen: dict[str, bytes] = {}
    archive.read(io.BytesIO(data), lock, lambda name, body: seen.update({name: body.read()}))
    return seen


def tar(*members: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb") as packed,
        tarfile.open(fileobj=packed, mode="w|", format=form) as made,
    ):
        for one in members:
            made.addfile(one, io.BytesIO(b"\0" * one.size))
    return out.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, to: str = ""
) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.type, head.size, head.linkname = kind, size, to
    return head


@pytest.fixture
def locks(tmp_path: Path) -> dict[str, tuple[Lock, Lock]]:
    """What seals and what opens."""
    words = tmp_path / "words"
    words.write_text("correct horse battery\n")
    key = X25519PrivateKey.generate()
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    form = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, form))
    return {
        "passphrase": (Passphrase(words), Passphrase(words)),
        "key": (Recipient(public), Identity(private)),
    }


def test_what_is_written_is_read() -> None:
    assert read(written()) == {"token": b"xxx", "parts/0000001": b"log"}


@pytest.mark.parametrize("kind", ["passphrase", "key"])
@pytest.mark.parametrize("size", [0, CHUNK - 1, CHUNK, 3 * CHUNK])
def test_what_is_sealed_is_opened(
    locks: dict[str, tuple[Lock, Lock]], kind: str, size: int
) -> None:
    closes, opens = locks[kind]
    data = written(closes, size)
    assert b"token" not in data
    assert read(data, opens)["token"] == b"x" * size


def test_a_sealed_file_that_was_changed_is_not_opened(
    locks: dict[str, tuple[Lock, Lock]],
) -> None:
    closes, opens = locks["key"]
    out = io.BytesIO()
    with archive.writing(out, closes, 1.0) as writer:
        writer.add("token", io.BytesIO(os.urandom(4 * CHUNK)), 4 * CHUNK)
        writer.finish(told(tuple(writer.parts)))
    data = out.getvalue()
    start = data.index(b"\n", data.index(b"\n") + 1) + 1
    size = CHUNK + TAG
    swapped = data[:start] + data[start + size : start + 2 * size] + data[start : start + size]
    flipped = bytearray(data)
    flipped[-1] ^= 1
    headed = data.replace(b'"x25519"', b'"X25519"')
    longer = data + b"x"
    cut = [data[: start + n * size] for n in range(5)] + [data[:-1], data[: start - 3]]
    for bad in [*cut, swapped + data[start + 2 * size :], bytes(flipped), headed, longer]:
        with pytest.raises(Refused) as refused:
            read(bad, opens)
        assert refused.value.code == "sealed"


def test_another_key_opens_nothing(locks: dict[str, tuple[Lock, Lock]], tmp_path: Path) -> None:
    (tmp_path / "other").write_text("another passphrase")
    for lock in (Passphrase(tmp_path / "other"), locks["key"][1], locks["key"][0], None):
        with pytest.raises(Refused) as refused:
            read(written(locks["passphrase"][0]), lock)
        assert refused.value.code == "sealed"


def test_a_short_passphrase_and_a_key_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("tooshort")
    for make in (Passphrase, Recipient, Identity):
        with pytest.raises(Invalid):
            make(tmp_path / "short")
        with pytest.raises(Invalid):
            make(tmp_path / "gone")


HOSTILE = {
    "a link": member("token", tarfile.SYMTYPE, to="/etc/passwd"),
    "a hard link": member("token", tarfile.LNKTYPE, to="keys/x"),
    "a device": member("token", tarfile.CHRTYPE),
    "a pipe": member("token", tarfile.FIFOTYPE),
    "a folder": member("keys", tarfile.DIRTYPE),
    "a way up": member("../token"),
    "a way up inside": member("keys/../../token"),
    "an absolute path": member("/etc/cron.d/x"),
    "a dot": member("./token"),
    "a space": member("to ken"),
    "a long name": member("x" * 200),
    "strange parts": member("parts/x"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_members_are_refused(what: str) -> None:
    with pytest.raises(Refused) as refused:
        read(tar(HOSTILE[what]))
    assert refused.value.code == "hostile", what


def test_extended_heads_are_refused_before_they_are_read() -> None:
    huge = member("x", size=0)
    huge.pax_headers = {"comment": "y" * (1 << 20)}
    with pytest.raises(Refused) as refused:
        read(tar(huge, form=tarfile.PAX_FORMAT))
    assert refused.value.code == "hostile"


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ALWAYS", 1 << 20)
    with pytest.raises(Refused, match="refused") as refused:
        read(tar(member("token", size=64 << 20)))
    assert refused.value.code == "hostile"


def twice() -> bytes:
    return tar(member("token"), member("token"))


def no_manifest() -> bytes:
    return tar(member("token"))


def lies(change: Callable[[tuple[Part, ...]], tuple[Part, ...]]) -> bytes:
    out = io.BytesIO()
    with archive.writing(out, None, 1.0) as writer:
        writer.add("token", io.BytesIO(b"abc"), 3)
        writer.finish(told(change(tuple(writer.parts))))
    return out.getvalue()


def bad_archives() -> Iterator[tuple[str, bytes, str]]:
    yield "twice", twice(), "hostile"
    yield "no manifest", no_manifest(), "damaged"
    yield "a part too few", lies(lambda _: ()), "damaged"
    yield "a part too many", lies(lambda p: (*p, Part("x", 0, ""))), "damaged"
    yield "another digest", lies(lambda p: (Part("token", 3, "0" * 64),)), "damaged"
    yield (
        "a path that leaves",
        lies(lambda p: (Part("../token", 3, p[0].sha256, "token"),)),
        "hostile",
    )
    yield "no backup", b"hello", "no-backup"
    yield "no gzip", b"\x1f\x8bhello", "damaged"
    whole = written()
    yield "cut", whole[: len(whole) // 2], "damaged"
    other = io.BytesIO()
    with archive.writing(other, None, 1.0) as writer:
        text = b'{"format": 99}'
        writer.add(manifest.NAME, io.BytesIO(text), len(text))
    yield "another form", other.getvalue(), "bad-manifest"


BAD = tuple(bad_archives())


@pytest.mark.parametrize(("what", "data", "code"), BAD, ids=[what for what, _, _ in BAD])
def test_bad_archives_are_refused(what: str, data: bytes, code: str) -> None:
    with pytest.raises(HeadwayError) as refused:
        read(data)
    assert refused.value.code == code, (what, refused.value)


@pytest.mark.parametrize("path", ["", "/x", "a//b", "a/./b", "..", "a/..", "a\\b", "a\nb", "a/"])
def test_paths_stay_below_the_home(path: str) -> None:
    with pytest.raises(Refused):
        safe(path)
