"""A real container registry (Debian's docker-registry) on a free port, and pushes to it."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headway.adapters.oci.layout import Layout
from headway.artifact import envelope as dsse
from headway.artifact import manifest
from headway.artifact.manifest import Descriptor
from headway.model.artifact import Envelope

CONFIG = """\
version: 0.1
log: {{accesslog: {{disabled: true}}, level: error}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
{more}
"""
NOTIFY = """\
notifications:
  endpoints:
    - name: headway
      url: {url}
      headers: {{Authorization: ["Bearer {token}"]}}
      timeout: 5s
      threshold: 5
      backoff: 200ms
"""
BASIC = """\
auth: {{htpasswd: {{realm: here, path: {file}}}}}
"""

# one for all: to make one reads the authorities of this machine
HTTP = httpx.Client(trust_env=False, verify=False, timeout=30)


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


class Registry:
    """What a CI does to a registry, by the distribution API."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"

    def upload(self, repository: str, data: bytes, media_type: str) -> Descriptor:
        """One blob."""
        digest = manifest.digest_of(data)
        begun = HTTP.post(f"{self.url}/v2/{repository}/blobs/uploads/", follow_redirects=True)
        where = httpx.URL(begun.headers["location"])
        where = httpx.URL(self.url).join(where).copy_merge_params({"digest": digest})
        assert HTTP.put(where, content=data).status_code == 201
        return Descriptor(media_type, digest, len(data))

    def put(
        self, repository: str, data: bytes, tag: str = "", kind: str = manifest.MANIFEST
    ) -> str:
        """A manifest; gives its digest."""
        digest = manifest.digest_of(data)
        done = HTTP.put(
            f"{self.url}/v2/{repository}/manifests/{tag or digest}",
            content=data,
            headers={"content-type": kind},
        )
        assert done.status_code == 201, done.text
        return digest

    def name(self, repository: str, digest: str, tag: str) -> None:
        """Another tag for what is there."""
        got = HTTP.get(
            f"{self.url}/v2/{repository}/manifests/{digest}", headers={"accept": manifest.MANIFEST}
        )
        self.put(repository, got.content, tag)

    def push(self, repository: str, tar: bytes, tag: str = "", gzipped: bool = False) -> str:
        """An archive as `oras push` would; gives the digest of its manifest."""
        layer = self.upload(repository, tar, manifest.TAR_GZIP if gzipped else manifest.TAR)
        config = self.upload(repository, b"{}", manifest.EMPTY_TYPE)
        fields = {
            "schemaVersion": 2,
            "mediaType": manifest.MANIFEST,
            "config": manifest.written(config),
            "layers": [manifest.written(layer) | {"annotations": {"from": "another CI"}}],
        }
        return self.put(repository, json.dumps(fields, indent=2).encode(), tag)

    def state(self, repository: str, digest: str, *envelopes: Envelope) -> None:
        """Statements under the referrers tag, as clients of old registries put them."""
        about = Descriptor(manifest.MANIFEST, digest, 1)
        self.upload(repository, b"{}", manifest.EMPTY_TYPE)
        entries = []
        for one in envelopes:
            layer = self.upload(repository, dsse.encode(one), dsse.MEDIA_TYPE)
            data = manifest.referrer(about, layer, {})
            entries.append(Descriptor(manifest.MANIFEST, self.put(repository, data), len(data)))
        index = {
            "schemaVersion": 2,
            "mediaType": manifest.INDEX,
            "manifests": [manifest.written(e) for e in entries],
        }
        self.put(repository, json.dumps(index).encode(), digest.replace(":", "-"), manifest.INDEX)

    def attest(self, repository: str, digest: str, envelope: Envelope) -> None:
        """The statement under the tag `sha256-….att`."""
        layer = self.upload(repository, dsse.encode(envelope), dsse.MEDIA_TYPE)
        config = self.upload(repository, b"{}", manifest.EMPTY_TYPE)
        fields = {
            "schemaVersion": 2,
            "mediaType": manifest.MANIFEST,
            "config": manifest.written(config),
            "layers": [manifest.written(layer)],
        }
        self.put(repository, json.dumps(fields).encode(), f"{digest.replace(':', '-')}.att")


@contextlib.contextmanager
def registry(more: str = "", port: int = 0) -> Iterator[Registry]:
    """A running registry; skips where there is none installed."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no registry installed: apt-get install docker-registry")
    folder, port = Path(tempfile.mkdtemp(prefix="hwr")), port or free_port()
    config = folder / "config.yml"
    config.write_text(CONFIG.format(root=folder / "data", port=port, more=more))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
        try:
            made = Registry(port)
            _answers(made, folder / "log")
            yield made
        finally:
            process.terminate()
            process.wait(20)
            shutil.rmtree(folder)


def _answers(made: Registry, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            HTTP.get(f"{made.url}/v2/", timeout=5)
        except httpx.HTTPError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def blob_of(layout: Path, digest: str) -> Path:
    """Where a store keeps a blob, for tests that damage it."""
    return Layout(layout).blob(digest)
