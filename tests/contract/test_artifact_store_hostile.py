"""Archives as an attacker with write access would plant them: refused whole, nothing is left."""

import gzip
import hashlib
import tarfile
from pathlib import Path

import pytest
from tests.contract.oci_layouts import (
    error,
    files_of,
    write_app,
)

from headway.adapters.oci.artifact_store import OciLayout
from headway.artifact import manifest
from headway.artifact.manifest import Descriptor
from headway.artifact.members import Limits
from headway.model.errors import Refused

SMALL = Limits(members=50, depth=8, total_bytes=1 << 20, ratio=20, ratio_from_bytes=64 << 10)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write_app(tmp_path / "app")


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info.tobuf(tarfile.GNU_FORMAT)


def file(name: str, data: bytes, mode: int = 0o644) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE, size: int | None = None) -> bytes:
    info = tarfile.TarInfo("pax")
    info.type, info.size = kind, len(records) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + records + bytes(-len(records) % 512)


END = bytes(1024)


def plant(root: Path, layer: bytes, content: int, media_type: str = manifest.TAR) -> str:
    """Put an archive into the layout by hand, with every digest and size correct."""
    folder = root / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    digest = manifest.digest_of(layer)
    data = manifest.archive(Descriptor(media_type, digest, len(layer)), content, {})
    for one in (layer, data, manifest.EMPTY):
        (folder / hashlib.sha256(one).hexdigest()).write_bytes(one)
    return manifest.digest_of(data)


GOOD = file("good", b"fine")
SYM, LNK, DIR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
MANY = b"".join(member(f"m{i}") for i in range(60))
DEEP = member("/".join(["d"] * 9), DIR)

HOSTILE: dict[str, tuple[bytes, str, str]] = {
    "parent": (GOOD + file("../evil", b"x"), "`../evil`", "holds `..`"),
    "parent within": (GOOD + file("a/../../evil", b"x"), "evil`", "holds `..`"),
    "parent by pax": (GOOD + pax(b"16 path=../evil\n") + file("ok", b""), "`../evil`", "`..`"),
    "parent by gnu": (
        GOOD + pax(b"../evil\0", tarfile.GNUTYPE_LONGNAME) + file("ok", b""),
        "`../evil`",
        "holds `..`",
    ),
    "absolute": (GOOD + file("/tmp/evil", b"x"), "`/tmp/evil`", "absolute"),
    "symlink out": (GOOD + member("l", SYM, "../../etc"), "`l`", "links out"),
    "symlink absolute": (GOOD + member("l", SYM, "/etc"), "`l`", "absolute path"),
    "symlink out by pax": (GOOD + pax(b"15 linkpath=..\n") + member("l", SYM, "g"), "`l`", "out"),
    "through a symlink": (GOOD + member("l", SYM, ".") + file("l/e", b"x"), "`l/e`", "below `l`"),
    "symlink chain": (
        GOOD + member("d/a", SYM, "..") + member("b", SYM, "d/a/../evil"),
        "`b`",
        "after a name",
    ),
    "symlink swapped in": (
        GOOD + file("d/x", b"") + member("d", SYM, "."),
        "`d`",
        "replace a folder",
    ),
    "hardlink out": (GOOD + member("h", LNK, "../../etc/passwd"), "`h`", "holds `..`"),
    "hardlink absolute": (GOOD + member("h", LNK, "/etc/passwd"), "`h`", "absolute"),
    "hardlink to a symlink": (
        GOOD + member("l", SYM, "good") + member("h", LNK, "l"),
        "`h`",
        "no earlier file",
    ),
    "character device": (GOOD + member("dev", tarfile.CHRTYPE), "`dev`", "device"),
    "block device": (GOOD + member("dev", tarfile.BLKTYPE), "`dev`", "device"),
    "fifo": (GOOD + member("pipe", tarfile.FIFOTYPE), "`pipe`", "pipe"),
    "sparse": (GOOD + member("s", tarfile.GNUTYPE_SPARSE), "`s`", "sparse"),
    "sparse by pax": (GOOD + pax(b"22 GNU.sparse.major=1\n") + file("s", b""), "`s`", "sparse"),
    "unknown type": (GOOD + member("u", b"Z"), "`u`", "unknown"),
    "setuid": (GOOD + file("su", b"x", 0o4755), "`su`", "setuid"),
    "setgid": (GOOD + file("sg", b"x", 0o2755), "`sg`", "setgid"),
    "duplicate": (GOOD + file("./good", b"evil"), "`./good`", "twice"),
    "member count": (GOOD + MANY, "`m49`", "more than 50 members"),
    "depth": (GOOD + DEEP, "`d/d/d/d/d/d/d/d/d`", "9 folders deep"),
    "size in all": (file("a", bytes(600_000)) + file("b", bytes(600_000)), "`b`", "1048576 bytes"),
    "escape codes": (GOOD + member("\x1b]0;x\x07", tarfile.FIFOTYPE), r"'\x1b]0;x\x07'", "pipe"),
    "global header": (GOOD + pax(b"16 path=../evil\n", tarfile.XGLTYPE), "`good`", "global"),
    "huge header": (GOOD + pax(b"", size=1 << 33), "`good`", "extended header is 8589934592"),
    "damaged header": (GOOD + b"x" * 512, "`good`", "damaged"),
    "damaged pax": (GOOD + pax(b"99 path=x\n"), "`good`", "damaged"),
    "odd pax size": (GOOD + pax(b"11 size=-1\n") + file("x", b""), "`good`", "no size"),
    "name not UTF-8": (
        GOOD + tarfile.TarInfo("\udcff").tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"),
        "`good`",
        "UTF-8",
    ),
    "after the end": (GOOD + END + file("hidden", b"x"), "`good`", "after its end"),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["tar", "gzip"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_with_its_member_and_leaves_nothing(
    tmp_path: Path, name: str, zipped: bool
) -> None:
    data, what, why = HOSTILE[name]
    layer = data + END
    limits = SMALL if not zipped else Limits(members=50, depth=8, total_bytes=1 << 20)
    store = OciLayout(tmp_path / "store", limits)
    layer, kind = (gzip.compress(layer), manifest.TAR_GZIP) if zipped else (layer, manifest.TAR)
    refused_whole(store, plant(tmp_path / "store", layer, 4, kind), tmp_path, what, why)


def refused_whole(store: OciLayout, digest: str, tmp_path: Path, what: str, why: str) -> None:
    store.verify(digest)  # every digest is right: it is the content that is hostile
    out = tmp_path / "out"
    before = files_of(tmp_path / "store")
    caught = error(Refused, "hostile-archive", lambda: store.unpack(digest, str(out / "tree")))
    assert what in caught.what
    assert why in caught.why
    assert str(caught).isprintable()
    assert [path.name for path in out.iterdir()] == ["tree.lock"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "store"]
    assert files_of(tmp_path / "store") == before


def test_the_planted_archives_differ_from_a_good_one_only_in_what_is_hostile(
    tmp_path: Path,
) -> None:
    """Planted the same way, ordinary members are unpacked: the refusals are no accident."""
    names = pax(b"%d path=%s\n" % (10 + 150, b"p" * 150)) + file("x", b"pax")
    names += pax(b"g" * 150 + b"\0", tarfile.GNUTYPE_LONGNAME) + file("x", b"gnu")
    good = pax(b"13 comment=x\n", tarfile.XGLTYPE) + member("./", DIR) + GOOD + names
    good += member("d", DIR) + member("d/l", SYM, "../good") + member("h", LNK, "good")
    for kind, layer in ((manifest.TAR, good + END), (manifest.TAR_GZIP, gzip.compress(good + END))):
        tree = tmp_path / kind.rpartition(".")[2]
        OciLayout(tmp_path / "store", SMALL).unpack(
            plant(tmp_path / "store", layer, 10, kind), str(tree)
        )
        found = {
            name: path.read_bytes() for name in files_of(tree) if (path := tree / name).is_file()
        }
        assert found == {
            "good": b"fine",
            "p" * 150: b"pax",
            "g" * 150: b"gnu",
            "d/l": b"fine",
            "h": b"fine",
        }


def test_a_gzip_bomb_is_refused_before_it_is_written(tmp_path: Path) -> None:
    bomb = gzip.compress(GOOD + file("zeros", bytes(900_000)) + END)
    store = OciLayout(tmp_path / "store", SMALL)
    digest = plant(tmp_path / "store", bomb, 900_004, manifest.TAR_GZIP)
    refused_whole(store, digest, tmp_path, "`zeros`", "more than 20 times its size")


def test_a_gzip_bomb_behind_the_end_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(GOOD + END + bytes(2_000_000))
    store = OciLayout(tmp_path / "store", SMALL)
    digest = plant(tmp_path / "store", bomb, 4, manifest.TAR_GZIP)
    refused_whole(store, digest, tmp_path, "`good`", "more than 20 times its size")


@pytest.mark.parametrize("cut", [1, 100, 511, 512, 514, 700, 1023, 1024, 1500, 2047])
def test_a_cut_archive_is_refused_wherever_it_is_cut(tmp_path: Path, cut: int) -> None:
    whole = GOOD + file("second", b"two")
    store = OciLayout(tmp_path / "store")
    refused_whole(store, plant(tmp_path / "store", whole[:cut], 7), tmp_path, "", "ends too early")


@pytest.mark.parametrize("cut", [0, 5, 40, -9, -1])
def test_a_cut_or_damaged_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    zipped = gzip.compress(GOOD + END)
    store = OciLayout(tmp_path / "store")
    digest = plant(tmp_path / "store", zipped[:cut], 4, manifest.TAR_GZIP)
    refused_whole(store, digest, tmp_path, "the archive", "")


def test_an_archive_that_holds_other_than_it_states_is_refused(tmp_path: Path) -> None:
    store = OciLayout(tmp_path / "store")
    digest = plant(tmp_path / "store", GOOD + END, 5)
    refused_whole(store, digest, tmp_path, "not what its manifest says", "4 bytes")


def test_a_hostile_archive_does_not_disturb_the_tree_that_is_there(
    tmp_path: Path, app: Path
) -> None:
    store = OciLayout(tmp_path / "store")
    tree = tmp_path / "out" / "tree"
    store.unpack(store.pack(str(app), {}).digest, str(tree))
    digest = plant(tmp_path / "store", GOOD + file("../evil", b"x") + END, 5)
    error(Refused, "hostile-archive", lambda: store.unpack(digest, str(tree)))
    assert files_of(tree) == files_of(app)
    assert len(list(tree.parent.iterdir())) == 3
