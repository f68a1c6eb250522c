"""An artifact that another CI built is proven and delivered like any other; or refused, and why."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.other_ci import BUILDERS, OtherCi
from tests.support.registry import Registry, blob_of, registry
from tests.support.stage import Stage, config

from headway.artifact import manifest
from headway.flows import commands
from headway.flows.commands import Request
from headway.model.commit import Commit
from headway.model.connection import Connection
from headway.model.delivery import Delivery
from headway.store import connections

YAML = config(more=BUILDERS, staging=False)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made, made.engine():
        yield made


@pytest.fixture(scope="module")
def ci(stage: Stage) -> OtherCi:
    made = OtherCi(stage.base / "ci")
    made.trusted_by(stage.home)
    return made


@pytest.fixture(scope="module")
def images() -> Iterator[Registry]:
    with registry() as made:
        yield made


def built(stage: Stage, ci: OtherCi, *, zipped: bool = False) -> tuple[str, bytes]:
    """A commit and what the other CI made of it."""
    sha = stage.commit(YAML)
    files = {"app.py": (stage.repo / "app.py").read_bytes(), "ci.txt": sha.encode()}
    return sha, ci.tar(files, zipped=zipped)


def push(stage: Stage, path: Path, sha: str, *more: str) -> Delivery:
    """`headway artifact push`, followed to the end."""
    result = stage.run("artifact", "push", str(path), "--service", "shop", "--commit", sha,
                       "--repo", str(stage.repo), *more, "--json")  # fmt: skip
    assert result.exit_code in {0, 3}, result.output
    return stage.delivery(json.loads(result.stdout)["id"])


@pytest.mark.seed("S-008")
def test_a_tar_with_provenance_is_delivered_and_nothing_is_built(
    stage: Stage, ci: OtherCi, tmp_path: Path
) -> None:
    sha, tar = built(stage, ci, zipped=True)
    file = tmp_path / "shop.tar.gz"
    file.write_bytes(tar)
    signed = ci.provenance(tmp_path / "p.json", manifest.digest_of(tar), sha)
    done = push(stage, file, sha, "--provenance", str(signed))
    assert done.outcome == "delivered", done.because
    assert stage.shares() == {done.release: 1.0}
    kinds = stage.kinds(delivery=done.id)
    assert "pipeline.started" not in kinds
    assert {"gates.judged", "artifact.verified", "rollout.started", "tests.finished"} <= {*kinds}
    handed = stage.events(delivery=done.id, kind="artifact.handed_over")[0].data
    assert (handed["builder"], handed["outcome"], handed["sha"]) == (ci.builder, "PASS", sha)
    verified = stage.events(delivery=done.id, kind="artifact.verified")[0].data
    assert verified["because"].startswith(f"built elsewhere by `{ci.builder}` from commit")
    told = stage.run("trace", done.release).output + stage.run("delivery", "show", done.id).output
    assert f"built elsewhere by {ci.builder}" in " ".join(told.split())
    assert stage.run("verify", done.release, "--env", "production").exit_code == 0


def test_a_folder_is_delivered_under_the_digest_that_was_told_before(
    stage: Stage, ci: OtherCi, tmp_path: Path
) -> None:
    sha = stage.commit(YAML)
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "app.py").write_bytes((stage.repo / "app.py").read_bytes())
    asked = stage.run("artifact", "digest", str(dist), "--service", "shop", "--commit", sha)
    signed = ci.provenance(tmp_path / "p.json", asked.stdout.strip(), sha)
    done = push(stage, dist, sha, "--provenance", str(signed))
    assert (done.outcome, done.digest) == ("delivered", asked.stdout.strip()), done.because


@pytest.mark.seed("S-008")
def test_an_artifact_in_a_registry_is_delivered_by_its_digest(
    stage: Stage, ci: OtherCi, images: Registry
) -> None:
    sha, tar = built(stage, ci)
    connections.put(stage.home, Connection("images", "registry", images.url))
    digest = images.push("team/shop", tar, "1.0")
    images.state("team/shop", digest, ci.sign(digest, sha))
    result = stage.run("deliver", str(stage.repo), "--artifact",
                       f"{images.host}/team/shop@{digest}", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    view = json.loads(result.stdout)
    assert (view["outcome"], view["digest"], view["sha"]) == ("delivered", digest, sha)
    assert view["built_by"] == ci.builder
    assert stage.release(view["release"]).digest == digest


REFUSALS = {
    "unsigned": "nothing is signed about it",
    "stranger": "not signed by a trusted key",
    "other CI's name": "may not sign for `urn:ci:acme`",
    "other subject": "is for another artifact",
    "other builder": "is not a trusted builder",
    "other commit": "it was built from commit",
    "unknown commit": "which the repository does not have",
    "no commit": "does not say of which commit",
}


@pytest.mark.seed("S-008")
def test_what_is_not_proven_is_refused_with_its_reason(
    stage: Stage, ci: OtherCi, images: Registry, tmp_path: Path
) -> None:
    connections.put(stage.home, Connection("images", "registry", images.url))
    stranger, other = OtherCi(tmp_path), OtherCi(ci.folder, "urn:ci:mallory")
    bound = OtherCi(tmp_path / "bound")
    bound.trusted_by(stage.home, "bound", "urn:ci:beta")
    asked = {}
    for fault in REFUSALS:
        sha, tar = built(stage, ci)
        digest = images.push("shop", tar)
        commit = {"unknown commit": "9" * 40, "no commit": "main"}.get(fault, sha)
        subject = "sha256:" + "b" * 64 if fault == "other subject" else digest
        signers = {"stranger": stranger, "other builder": other, "other CI's name": bound}
        signer = signers.get(fault, ci)
        if fault != "unsigned":
            images.attest("shop", digest, signer.sign(subject, commit))
        rev = {"other commit": stage.commit(YAML), "no commit": sha}.get(fault, "")
        asked[fault] = request(stage, f"images/shop@{digest}", rev)
    before = stage.picture()
    for fault, id in asked.items():
        done = stage.ended(id)
        assert (done.outcome, done.release) == ("refused", ""), f"{fault}: {done}"
        assert REFUSALS[fault] in done.because, f"{fault}: {done}"
    assert stage.picture() == before


def request(stage: Stage, artifact: str, sha: str = "") -> str:
    """What `headway deliver --artifact … --no-wait` asks for; gives the delivery."""
    commit = Commit(sha, str(stage.repo), "", "", "an artifact", "")
    with stage.headway.tx() as tx:
        asked = Request("shop", commit, "ben", "", artifact)
        return commands.request(tx, stage.headway.outbox, asked)


def test_a_builder_must_be_named_by_the_service(stage: Stage, ci: OtherCi, tmp_path: Path) -> None:
    sha = stage.commit(config(staging=False))
    tar = ci.tar({"app.py": b"x", "sha": sha.encode()})
    (tmp_path / "shop.tar").write_bytes(tar)
    signed = ci.provenance(tmp_path / "p.json", manifest.digest_of(tar), sha)
    done = push(stage, tmp_path / "shop.tar", sha, "--provenance", str(signed))
    assert (done.outcome, done.release) == ("refused", "")
    assert "not a trusted builder" in done.because


def test_bytes_that_were_changed_in_the_registry_or_here_are_refused(
    stage: Stage, ci: OtherCi, images: Registry, tmp_path: Path
) -> None:
    sha, tar = built(stage, ci)
    (tmp_path / "shop.tar").write_bytes(tar)
    signed = ci.provenance(tmp_path / "p.json", manifest.digest_of(tar), sha)
    stage.before("production", lambda asked: _flip(stage, asked.digest))
    done = push(stage, tmp_path / "shop.tar", sha, "--provenance", str(signed))
    assert done.outcome == "refused"
    assert "was changed" in done.because


def _flip(stage: Stage, digest: str) -> None:
    store = stage.home / "artifacts"
    layer = manifest.foreign(blob_of(store, digest).read_bytes()).layer
    path = blob_of(store, layer.digest)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:600] + b"!" + data[601:])


def test_an_archive_that_would_leave_its_folder_is_refused_before_anything_runs(
    stage: Stage, ci: OtherCi, tmp_path: Path
) -> None:
    sha = stage.commit(YAML)
    tar = ci.tar({"../../evil": b"x"})
    (tmp_path / "shop.tar").write_bytes(tar)
    signed = ci.provenance(tmp_path / "p.json", manifest.digest_of(tar), sha)
    result = stage.run("artifact", "push", str(tmp_path / "shop.tar"), "--service", "shop",
                       "--commit", sha, "--repo", str(stage.repo),
                       "--provenance", str(signed))  # fmt: skip
    assert result.exit_code == 3
    assert "hostile-archive" in result.output
    assert not (stage.base / "evil").exists()
