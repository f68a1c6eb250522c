"""What every ArtifactRegistry promises, asked of a real registry, and of one that lies."""

import gzip
import hashlib
import http.server
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.oci_layouts import error
from tests.support.other_ci import OtherCi
from tests.support.prometheus import Served, say
from tests.support.registry import BASIC, Registry, free_port, registry

from headway.adapters.oci.artifact_store import OciLayout
from headway.adapters.registry.registry import OciRegistry
from headway.artifact import manifest
from headway.model.connection import Connection
from headway.model.errors import Invalid, Refused, Unreachable

NAME = "team/shop"
LETMEIN = "$2b$04$2JLgPMXzys4GiijaGQlz/.SPrrCsjPhUdC95RvQbZkVk9Qcp0pJ5W"  # by bcrypt


@pytest.fixture(scope="module")
def images() -> Iterator[Registry]:
    with registry() as made:
        yield made


@pytest.fixture
def ci(tmp_path: Path) -> OtherCi:
    return OtherCi(tmp_path / "ci")


def asked(url: str, **options: str) -> OciRegistry:
    return OciRegistry(Path("/nowhere"), Connection("images", "registry", url, options))


def test_tags_and_what_they_mean(images: Registry, ci: OtherCi) -> None:
    here = asked(images.url)
    assert here.tags("no/such") == ()
    assert here.digest(NAME, "v1") == ""
    first = images.push("tags", ci.tar({"a": b"1"}), "v1")
    second = images.push("tags", ci.tar({"a": b"2"}), "v2")
    assert sorted(here.tags("tags")) == ["v1", "v2"]
    assert (here.digest("tags", "v1"), here.digest("tags", "v2")) == (first, second)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_pulled_is_stored_under_the_same_digest(
    images: Registry, ci: OtherCi, tmp_path: Path, zipped: bool
) -> None:
    files = {"app.py": b"print()", "lib/data": bytes(100_000)}
    digest = images.push(NAME, ci.tar(files, zipped=zipped), gzipped=zipped)
    statement = ci.sign(digest, "a" * 40)
    images.state(NAME, digest, statement)
    images.attest(NAME, digest, statement)
    into = tmp_path / "pulled"
    into.mkdir()
    pulled = asked(images.url).pull(NAME, digest, str(into))
    assert pulled.statements == (statement,)
    assert asked(images.url).statements(NAME, digest) == (statement,)
    store = OciLayout(tmp_path / "store")
    artifact = store.take(pulled.manifest, pulled.blobs)
    assert (artifact.digest, artifact.size_bytes) == (digest, 100_007)
    assert store.verify(digest) == artifact
    assert store.take(pulled.manifest, pulled.blobs) == artifact
    store.unpack(digest, str(tmp_path / "out"))
    assert (tmp_path / "out" / "app.py").read_bytes() == b"print()"
    assert [one.artifact.digest for one in store.list()] == [digest]


def test_what_is_not_there_or_no_archive(images: Registry, ci: OtherCi, tmp_path: Path) -> None:
    here = asked(images.url)
    error(Invalid, "missing-artifact", lambda: here.pull(NAME, "sha256:" + "0" * 64, str(tmp_path)))
    for name in ("../etc", "UPPER", "a//b", "", "a" * 300):
        error(Invalid, "registry", lambda name=name: here.tags(name))
    layers = [images.upload(NAME, data, manifest.TAR) for data in (b"x" * 512, b"y" * 512)]
    config = images.upload(NAME, b"{}", manifest.EMPTY_TYPE)
    fields = {
        "schemaVersion": 2,
        "mediaType": manifest.MANIFEST,
        "config": manifest.written(config),
        "layers": [manifest.written(one) for one in layers],
    }
    image = images.put(NAME, json.dumps(fields).encode())
    told = error(Invalid, "not-an-artifact", lambda: here.pull(NAME, image, str(tmp_path)))
    assert "2 layers" in told.why


def test_a_store_takes_only_what_the_manifest_says(ci: OtherCi, tmp_path: Path) -> None:
    tar = ci.tar({"app.py": b"x"})
    (tmp_path / "layer").write_bytes(tar)
    (tmp_path / "empty").write_bytes(b"{}")

    def described(kind: str, size: int, content: bytes = tar) -> bytes:
        layer = manifest.Descriptor(kind, manifest.digest_of(content), size)
        config = manifest.Descriptor(manifest.EMPTY_TYPE, manifest.digest_of(b"{}"), 2)
        return manifest.encode(manifest.Manifest("x/y", config, layer))

    store = OciLayout(tmp_path / "store")
    files = {manifest.digest_of(tar): str(tmp_path / "layer")}
    error(Refused, "tampered", lambda: store.take(described(manifest.TAR, len(tar) + 1), files))
    error(Refused, "tampered", lambda: store.take(described(manifest.TAR, 3, b"abc"), files))
    zipped = described(manifest.TAR_GZIP, len(tar))
    error(Refused, "hostile-archive", lambda: store.take(zipped, files))
    error(Invalid, "not-an-artifact", lambda: store.take(described("text/plain", 1), files))
    error(Invalid, "not-an-artifact", lambda: store.take(b"{}", files))
    bomb = gzip.compress(ci.tar({"zeros": bytes(40 << 20)}))
    (tmp_path / "layer").write_bytes(bomb)
    files = {manifest.digest_of(bomb): str(tmp_path / "layer")}
    big = described(manifest.TAR_GZIP, len(bomb), bomb)
    error(Refused, "hostile-archive", lambda: store.take(big, files))
    assert store.list() == ()
    taken = store.take(
        described(manifest.TAR, len(tar)), {manifest.digest_of(tar): _again(tmp_path, tar)}
    )
    assert taken.archive == f"sha256:{hashlib.sha256(tar).hexdigest()}"


def _again(folder: Path, tar: bytes) -> str:
    (folder / "again").write_bytes(tar)
    return str(folder / "again")


def test_a_registry_with_a_password(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"headway:{LETMEIN}\n")
    with registry(BASIC.format(file=tmp_path / "users")) as images:
        assert asked(images.url, username="headway", password="letmein").tags(NAME) == ()
        for options in ({}, {"username": "headway", "password": "wrong"}):
            told = error(Refused, "registry", lambda o=options: asked(images.url, **o).tags(NAME))
            assert "letmein" not in str(told)
            assert "wrong" not in str(told)


def test_a_registry_that_gives_tokens() -> None:
    asked_for: list[str] = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        given = handler.headers.get("authorization", "")
        if handler.path.startswith("/token"):
            asked_for.append(f"{handler.path} {given}")
            say(b'{"token": "t0"}')(handler)
        elif given == "Bearer t0":
            say(b'{"tags": ["v1", "-bad", 7]}')(handler)
        else:
            realm = f'Bearer realm="{served.url}/token",service="here",scope="repository:x:pull"'
            say(b"", 401, www_authenticate=realm)(handler)

    with Served(answer) as served:
        assert asked(served.url, username="u", password="p").tags("x") == ("v1",)
    assert asked_for == ["/token?service=here&scope=repository%3Ax%3Apull Basic dTpw"]


def test_a_registry_that_lies_or_is_silent(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    with Served(say(b"not what was asked for")) as lying:
        here = asked(lying.url)
        error(Refused, "tampered", lambda: here.pull(NAME, digest, str(tmp_path)))
        error(Invalid, "registry", lambda: here.tags(NAME))
    with Served(say(b"", 503)) as busy:
        error(Unreachable, "registry", lambda: asked(busy.url).tags(NAME))
    with Served(say(bytes(5 << 20))) as endless:
        error(Invalid, "registry", lambda: asked(endless.url).tags(NAME))
    gone = f"http://127.0.0.1:{free_port()}"
    error(Unreachable, "registry", lambda: asked(gone).tags(NAME))
    error(Invalid, "registry", lambda: asked("registry.example.com").tags(NAME))
