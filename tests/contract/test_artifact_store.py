"""What every ArtifactStore promises, asked of the real OCI layout on a real disk."""

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.oci_layouts import (
    STATEMENT,
    blob,
    child,
    ends,
    error,
    files_of,
    flip,
    layout_of,
    statement,
    write_app,
)

from headway.adapters.oci.artifact_store import OciLayout
from headway.artifact import manifest
from headway.model.artifact import Artifact
from headway.model.errors import Drifted, Invalid, Refused


@pytest.fixture
def store(tmp_path: Path) -> OciLayout:
    return OciLayout(tmp_path / "store")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write_app(tmp_path / "app")


# --- pack ---------------------------------------------------------------------------------------


@pytest.mark.seed("S-012")
def test_the_same_files_give_the_same_digest_in_any_folder_store_and_time(
    tmp_path: Path, app: Path
) -> None:
    first = OciLayout(tmp_path / "one").pack(str(app), {"a": "1", "b": "2"})
    again = tmp_path / "elsewhere"
    for path in sorted(app.rglob("*"), reverse=True):  # made in another order, at another time
        copy = again / path.relative_to(app)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            copy.mkdir(exist_ok=True, mode=0o700)
        else:
            shutil.copy2(path, copy, follow_symlinks=False)
            os.utime(copy, (1, 1), follow_symlinks=False)
    (again / "none").chmod(0o600)
    assert OciLayout(tmp_path / "two").pack(str(again), {"b": "2", "a": "1"}) == first


@pytest.mark.seed("S-012")
def test_the_digest_of_known_files_never_changes_between_versions(
    tmp_path: Path, store: OciLayout
) -> None:
    folder = tmp_path / "known"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "run").write_bytes(b"#!/bin/sh\n")
    (folder / "bin" / "run").chmod(0o755)
    (folder / ("n" * 120)).write_bytes(b"long name")
    (folder / "link").symlink_to("bin/run")
    packed = store.pack(str(folder), {"service": "shop"})
    assert packed == Artifact(
        "sha256:17983f3853a024deca97376bf61c0d77fa694ac285ca4592aabdb77be52ea644",
        manifest.ARCHIVE_TYPE,
        19,
    )


@pytest.mark.seed("S-012")
@pytest.mark.parametrize(
    "change",
    [
        lambda app: (app / "none").write_text("x"),
        lambda app: (app / "run").chmod(0o644),
        lambda app: (app / "none").rename(app / "nine"),
        lambda app: (app / "empty").rmdir(),
        lambda app: (app / "lib" / "current").unlink(),
    ],
)
def test_other_files_give_another_digest(
    store: OciLayout, app: Path, change: Callable[[Path], object]
) -> None:
    before = store.pack(str(app), {})
    change(app)
    assert store.pack(str(app), {}).digest != before.digest


def test_other_annotations_give_another_digest_of_the_same_layer(
    store: OciLayout, app: Path
) -> None:
    one, two = store.pack(str(app), {"c": "1"}), store.pack(str(app), {"c": "2"})
    assert one.digest != two.digest
    assert [s.annotations for s in store.list()] == [{"c": "1"}, {"c": "2"}]


def test_packing_again_changes_nothing_on_disk(store: OciLayout, app: Path, tmp_path: Path) -> None:
    store.pack(str(app), {})
    before = layout_of(tmp_path / "store")
    store.pack(str(app), {})
    assert layout_of(tmp_path / "store") == before


def test_the_layout_is_one_that_oci_tools_read(store: OciLayout, app: Path, tmp_path: Path) -> None:
    """image-spec v1.1: oci-layout, index.json, blobs named by their own hash, sizes right."""
    root = tmp_path / "store"
    packed = store.pack(str(app), {})
    store.attach(packed.digest, STATEMENT)
    assert json.loads((root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    for path in (root / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    seen = list(_descriptors(root, json.loads((root / "index.json").read_bytes())))
    assert len(seen) >= 9
    for one in seen:
        assert blob(root, one["digest"]).stat().st_size == one["size"]
    (layer,) = json.loads(blob(root, packed.digest).read_bytes())["layers"]
    with tarfile.open(blob(root, layer["digest"])) as tar:
        assert {name.rstrip("/") for name in tar.getnames()} == set(files_of(app))
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar} == {(0, 0, 0, "")}


def _descriptors(root: Path, value: dict) -> Iterator[dict]:  # type: ignore[type-arg]
    listed = [*value.get("manifests", []), *value.get("layers", [])]
    listed += [value[key] for key in ("config", "subject") if key in value]
    for one in listed:
        yield one
        if one["mediaType"] in {manifest.MANIFEST, manifest.INDEX} and one != value.get("subject"):
            yield from _descriptors(root, json.loads(blob(root, one["digest"]).read_bytes()))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda f: (f / "l").symlink_to("/etc/passwd"), "absolute"),
        (lambda f: (f / "l").symlink_to("../secret"), "out of the archive"),
        (lambda f: os.mkfifo(f / "p"), "pipe"),
        (lambda f: Path(os.fsdecode(os.fsencode(f) + b"/\xff")).touch(), "UTF-8"),
    ],
)
def test_what_could_not_be_unpacked_is_not_packed(
    store: OciLayout, app: Path, make: Callable[[Path], object], why: str
) -> None:
    make(app)
    caught = error(Invalid, "unsafe-member", lambda: store.pack(str(app), {}))
    assert why in caught.why
    assert store.list() == ()


def test_no_files_are_no_artifact(store: OciLayout, tmp_path: Path) -> None:
    (tmp_path / "nothing" / "inside").mkdir(parents=True)
    error(Invalid, "empty-artifact", lambda: store.pack(str(tmp_path / "nothing"), {}))
    error(Invalid, "missing-folder", lambda: store.pack(str(tmp_path / "absent"), {}))
    error(Invalid, "missing-folder", lambda: store.pack("/dev/null", {}))
    assert store.list() == ()


def test_headways_own_annotations_are_refused(store: OciLayout, app: Path) -> None:
    error(Invalid, "annotation", lambda: store.pack(str(app), {"dev.headway.content.bytes": "1"}))


# --- verify -------------------------------------------------------------------------------------


def test_what_was_packed_verifies(store: OciLayout, app: Path) -> None:
    packed = store.pack(str(app), {})
    assert store.verify(packed.digest) == packed
    assert packed.size_bytes == sum(p.stat().st_size for p in app.rglob("*") if _is_file(p))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


@pytest.mark.parametrize(
    "digest",
    ["sha256:" + "0" * 64, "sha256:../../index.json", "", "latest", "sha256:" + "A" * 64, "\x1b"],
)
def test_an_unknown_digest_is_missing(store: OciLayout, app: Path, digest: str) -> None:
    store.pack(str(app), {})
    error(Invalid, "missing-artifact", lambda: store.verify(digest))
    error(Invalid, "missing-artifact", lambda: store.attach(digest, STATEMENT))


def parts(root: Path, digest: str) -> dict[str, str]:
    """The digest of each blob of the artifact."""
    found = json.loads(blob(root, digest).read_bytes())
    return {
        "manifest": digest,
        "config": found["config"]["digest"],
        "layer": found["layers"][0]["digest"],
    }


DAMAGE: dict[str, Callable[[Path], object]] = {
    "one bit": flip,
    "one byte more": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "one byte less": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "a link": lambda path: (path.rename(path.with_suffix(".x")), path.symlink_to(path.name + ".x")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.seed("S-016")
@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_changed_blob_is_refused_and_named(
    store: OciLayout, app: Path, tmp_path: Path, part: str, damage: str
) -> None:
    packed = store.pack(str(app), {})
    changed = parts(tmp_path / "store", packed.digest)[part]
    DAMAGE[damage](blob(tmp_path / "store", changed))
    assert changed in str(error(Refused, "tampered", lambda: store.verify(packed.digest)).what)
    error(Refused, "tampered", lambda: store.unpack(packed.digest, str(tmp_path / "out" / "x")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_a_lost_blob_is_missing_and_named(
    store: OciLayout, app: Path, tmp_path: Path, part: str
) -> None:
    packed = store.pack(str(app), {})
    lost = parts(tmp_path / "store", packed.digest)[part]
    blob(tmp_path / "store", lost).unlink()
    caught = error(Invalid, "missing-artifact", lambda: store.verify(packed.digest))
    assert lost in caught.what
    assert store.pack(str(app), {}) == packed == store.verify(packed.digest)


def test_a_referrer_is_no_artifact(store: OciLayout, app: Path) -> None:
    referrer = store.attach(store.pack(str(app), {}).digest, STATEMENT)
    error(Invalid, "not-an-artifact", lambda: store.verify(referrer))
    error(Invalid, "not-an-artifact", lambda: store.tag("x", referrer))


# --- unpack -------------------------------------------------------------------------------------


def test_what_was_packed_is_unpacked(store: OciLayout, app: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        store.unpack(store.pack(str(app), {}).digest, str(tmp_path / "a" / "b" / "tree"))
    finally:
        os.umask(before)
    expected = files_of(app)
    assert files_of(tmp_path / "a" / "b" / "tree") == expected
    assert expected["run"][0] == "755"
    names = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    assert names == {"tree", "tree.digest", "tree.lock"}


def test_unpacking_again_changes_nothing_and_keeps_what_was_added(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    digest = store.pack(str(app), {}).digest
    tree = tmp_path / "tree"
    store.unpack(digest, str(tree))
    (tree / "added.db").write_text("data")
    inode = tree.stat().st_ino
    store.unpack(digest, str(tree))
    assert tree.stat().st_ino == inode
    assert (tree / "added.db").read_text() == "data"


@pytest.mark.seed("S-016")
@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "run").write_bytes(b"#!/bin/zh\n"),
        lambda tree: (tree / "run").chmod(0o644),
        lambda tree: (tree / "run").unlink(),
        lambda tree: (tree / "empty").rmdir(),
        lambda tree: ((tree / "lib" / "current").unlink(), (tree / "lib" / "current").touch()),
        lambda tree: ((tree / "empty").rmdir(), (tree / "empty").symlink_to("lib")),
        lambda tree: ((tree / "none").unlink(), (tree / "none").symlink_to("run")),
        shutil.rmtree,
        lambda tree: (tree.parent / "tree.digest").unlink() or shutil.rmtree(tree),
    ],
)
def test_a_tree_that_was_changed_is_made_anew(
    store: OciLayout, app: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    digest = store.pack(str(app), {}).digest
    tree = tmp_path / "out" / "tree"
    store.unpack(digest, str(tree))
    change(tree)
    store.unpack(digest, str(tree))
    assert files_of(tree) == files_of(app)
    assert len(list(tree.parent.iterdir())) == 3


def test_another_artifact_replaces_the_tree(store: OciLayout, app: Path, tmp_path: Path) -> None:
    tree = tmp_path / "out" / "tree"
    store.unpack(store.pack(str(app), {}).digest, str(tree))
    (app / "run").write_text("new")
    (app / "none").unlink()
    store.unpack(store.pack(str(app), {}).digest, str(tree))
    assert files_of(tree) == files_of(app)
    assert len(list(tree.parent.iterdir())) == 3


def test_a_folder_of_somebody_else_is_never_replaced(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    digest = store.pack(str(app), {}).digest
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("years")
    (tmp_path / "link").symlink_to("mine")
    for name in ("mine", "link", "app/run"):
        error(Drifted, "foreign-folder", lambda n=name: store.unpack(digest, str(tmp_path / n)))
    assert (tmp_path / "mine" / "thesis").read_text() == "years"


def test_an_empty_folder_is_filled(store: OciLayout, app: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    store.unpack(store.pack(str(app), {}).digest, str(tmp_path / "tree"))
    assert files_of(tmp_path / "tree") == files_of(app)


def test_leftovers_of_a_dead_attempt_are_cleaned_up(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    digest = store.pack(str(app), {}).digest
    out = tmp_path / "out"
    (out / ".tree.new-0123" / "half").mkdir(parents=True)
    (out / ".tree.old-0123").mkdir()
    (out / ".tree.mark-0123").touch()
    (out / ".tree2.new-0123").mkdir()
    store.unpack(digest, str(out / "tree"))
    names = {path.name for path in out.iterdir()}
    assert names == {"tree", "tree.digest", "tree.lock", ".tree2.new-0123"}


def test_unpacking_at_once_in_two_processes_gives_one_whole_tree(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    digest = store.pack(str(app), {}).digest
    tree = tmp_path / "out" / "tree"
    code = "store.unpack(sys.argv[2], sys.argv[3])"
    assert ends([child(code, tmp_path / "store", digest, tree) for _ in range(4)]) == [0] * 4
    assert files_of(tree) == files_of(app)


# --- statements ---------------------------------------------------------------------------------


def test_statements_are_kept_oldest_first_and_once(store: OciLayout, app: Path) -> None:
    digest = store.pack(str(app), {}).digest
    other = store.pack(str(app), {"other": "1"}).digest
    assert store.attached(digest) == ()
    names = [store.attach(digest, statement(n)) for n in (3, 1, 2)]
    assert store.attach(digest, statement(1)) == names[1]
    assert store.attached(digest) == (statement(3), statement(1), statement(2))
    assert store.attached(other) == ()
    assert store.pack(str(app), {}).digest == digest
    assert len(store.attached(digest)) == 3
    assert [s.artifact.digest for s in store.list()] == [digest, other]


def test_statements_are_found_by_the_referrers_tag_alone(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    """Tools that copy layouts by tag drop our own mark; the distribution spec's tag remains."""
    digest = store.pack(str(app), {}).digest
    store.attach(digest, statement(1))
    store.attach(digest, statement(2))
    path = tmp_path / "store" / "index.json"
    index = json.loads(path.read_bytes())
    tag = digest.replace(":", "-")
    index["manifests"] = [
        one
        for one in index["manifests"]
        if one.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag
    ]
    assert len(index["manifests"]) == 1
    path.write_text(json.dumps(index))
    assert store.attached(digest) == (statement(1), statement(2))


@pytest.mark.seed("S-016")
def test_a_changed_or_lost_statement_is_an_error_never_passed_over(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    digest = store.pack(str(app), {}).digest
    store.attach(digest, statement(1))
    referrer = store.attach(digest, statement(2))
    layer = parts(tmp_path / "store", referrer)["layer"]
    for damaged in (layer, referrer):
        path = blob(tmp_path / "store", damaged)
        kept = path.read_bytes()
        flip(path)
        assert damaged in error(Refused, "tampered", lambda: store.attached(digest)).what
        path.unlink()
        assert damaged in error(Invalid, "missing-artifact", lambda: store.attached(digest)).what
        path.write_bytes(kept)
    assert len(store.attached(digest)) == 2


def test_a_statement_about_another_artifact_is_not_taken_for_this_one(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    digest = store.pack(str(app), {}).digest
    other = store.pack(str(app), {"other": "1"}).digest
    store.attach(other, statement(1))
    path = tmp_path / "store" / "index.json"
    path.write_text(path.read_text().replace(f'about":"{other}', f'about":"{digest}'))
    error(Refused, "tampered", lambda: store.attached(digest))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"manifests":1}', b'{"manifests":[1]}', b'{"a":1,"a":1}']
)
def test_a_broken_index_is_an_error_and_is_not_written_over(
    store: OciLayout, app: Path, tmp_path: Path, data: bytes
) -> None:
    digest = store.pack(str(app), {}).digest
    path = tmp_path / "store" / "index.json"
    path.write_bytes(data)
    for call in (
        lambda: store.pack(str(app), {}),
        lambda: store.attach(digest, STATEMENT),
        lambda: store.attached(digest),
        lambda: store.tag("a", digest),
        store.list,
    ):
        error(Refused, "tampered", call)
    assert path.read_bytes() == data


# --- tags ---------------------------------------------------------------------------------------


@pytest.mark.seed("S-014")
def test_a_tag_is_never_moved(store: OciLayout, app: Path, tmp_path: Path) -> None:
    first = store.pack(str(app), {})
    (app / "run").write_text("other")
    second = store.pack(str(app), {})
    store.tag("shop-1", first.digest)
    before = layout_of(tmp_path / "store")
    store.tag("shop-1", first.digest)
    caught = error(Refused, "tag-exists", lambda: store.tag("shop-1", second.digest))
    assert first.digest in caught.what
    assert second.digest in caught.what
    assert store.resolve("shop-1") == first.digest
    assert layout_of(tmp_path / "store") == before


@pytest.mark.seed("S-014")
def test_packing_cannot_move_a_tag_through_annotations(store: OciLayout, app: Path) -> None:
    first = store.pack(str(app), {})
    store.tag("shop-1", first.digest)
    store.pack(str(app), {"org.opencontainers.image.ref.name": "shop-1"})
    store.pack(str(app), {"org.opencontainers.image.ref.name": "shop-2"})
    assert store.resolve("shop-1") == first.digest
    error(Invalid, "unknown-tag", lambda: store.resolve("shop-2"))


@pytest.mark.seed("S-014")
def test_promotion_by_tags_stores_nothing_anew(store: OciLayout, app: Path, tmp_path: Path) -> None:
    packed = store.pack(str(app), {})
    blobs = sorted(p.name for p in (tmp_path / "store" / "blobs" / "sha256").iterdir())
    for name in ("shop-1", "staging-shop-1", "production-shop-1"):
        store.tag(name, packed.digest)
        assert store.resolve(name) == packed.digest
    assert blobs == sorted(p.name for p in (tmp_path / "store" / "blobs" / "sha256").iterdir())
    (stored,) = store.list()
    assert stored.artifact == packed
    assert stored.tags == ("shop-1", "staging-shop-1", "production-shop-1")


@pytest.mark.seed("S-014")
def test_of_many_who_tag_at_once_one_wins(store: OciLayout, app: Path, tmp_path: Path) -> None:
    digests = [store.pack(str(app), {"n": str(n)}).digest for n in range(4)]
    code = "store.tag('shop-1', sys.argv[2])"
    codes = ends([child(code, tmp_path / "store", digest) for digest in digests])
    assert sorted(codes) == [0, 3, 3, 3]
    assert store.resolve("shop-1") == digests[codes.index(0)]


@pytest.mark.parametrize("name", ["", ".a", "a/b", "a b", "a\n", "x" * 129, "sha256-" + "0" * 64])
def test_what_is_no_tag_is_refused(store: OciLayout, app: Path, name: str) -> None:
    digest = store.pack(str(app), {}).digest
    error(Invalid, "bad-tag", lambda: store.tag(name, digest))
    error(Invalid, "missing-artifact", lambda: store.tag("ok", "sha256:" + "0" * 64))
