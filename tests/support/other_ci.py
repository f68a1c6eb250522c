"""Another CI: builds the shop with tools of its own, and signs what it built with its own key."""

import gzip
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.adapters.keys.signer import KeySigner
from headway.artifact import envelope as dsse
from headway.artifact.provenance import PAYLOAD_TYPE
from headway.model.artifact import Envelope

BUILDER = "urn:ci:acme"
BUILDERS = f"artifact: {{builders: ['{BUILDER}']}}"


@dataclass
class OtherCi:
    """`folder`: where its key is."""

    folder: Path
    builder: str = BUILDER

    def __post_init__(self) -> None:
        self.signer = KeySigner(self.folder)

    def trusted_by(self, home: Path, name: str = "acme", builders: str = "") -> None:
        """A person of that home trusts this CI's key, if they are named for these builders only."""
        folder = home / "keys" / "trusted"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.pub").write_text(self.signer.public_key_pem())
        if builders:
            (folder / f"{name}.builders").write_text(builders)

    def tar(self, files: dict[str, bytes], *, zipped: bool = False) -> bytes:
        """By Python's tarfile, with times and owners, as CI tools write it."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mtime, info.uname, info.mode = len(data), 1_700_000_000, "ci", 0o644
                tar.addfile(info, io.BytesIO(data))
        return gzip.compress(out.getvalue(), mtime=0) if zipped else out.getvalue()

    def statement(self, digest: str, commit: str, **changes: Any) -> dict[str, Any]:
        """SLSA provenance as GitHub's generator shapes it: the source among the dependencies."""
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "shop", "digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "https://acme.example/build/v1",
                    "externalParameters": {"workflow": {"path": ".acme.yml"}},
                    "resolvedDependencies": [
                        {
                            "uri": "git+https://git.example.com/shop",
                            "digest": {"gitCommit": commit},
                        }
                    ],
                },
                "runDetails": {"builder": {"id": self.builder}},
            },
        } | changes

    def sign(self, digest: str, commit: str, **changes: Any) -> Envelope:
        payload = json.dumps(self.statement(digest, commit, **changes)).encode()
        return self.signer.sign(payload, PAYLOAD_TYPE)

    def provenance(self, file: Path, digest: str, commit: str, **changes: Any) -> Path:
        file.write_bytes(dsse.encode(self.sign(digest, commit, **changes)))
        return file
