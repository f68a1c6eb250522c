"""Bad input on real parts: one clear error each, and users, proxy and processes are as before."""

import io
import json
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.oci_layouts import blob, flip, layout_of
from tests.support.stage import AT_ONCE, CANARY, WORKFLOW, Stage, config

from headway.adapters.envoy.router import EnvoyRouter
from headway.adapters.keys.signer import KeySigner
from headway.adapters.oci.artifact_store import OciLayout
from headway.artifact import manifest
from headway.artifact.manifest import Descriptor
from headway.flows import commands
from headway.model.artifact import Artifact
from headway.model.commit import Commit
from headway.model.delivery import Delivery
from headway.model.routing import Routed, Routing

ONE = config(staging=False)


class PlantedStore(OciLayout):
    """The real store, in which somebody with access to the disk changes what was just packed."""

    hostile: tuple[bytes, int, str] | None = None

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root

    def pack(self, folder: str, annotations: dict[str, str]) -> Artifact:
        packed = super().pack(folder, annotations)
        if self.hostile is None:
            return packed
        layer, content, media_type = self.hostile
        data = manifest.archive(
            Descriptor(media_type, manifest.digest_of(layer), len(layer)), content, annotations
        )
        for one in (layer, data):
            blob(self.root, manifest.digest_of(one)).write_bytes(one)
        return Artifact(manifest.digest_of(data), manifest.ARCHIVE_TYPE, content)


class DamagedRouter(EnvoyRouter):
    """The real router, given a host no proxy accepts while the release `damaged` is to serve."""

    damaged: str = ""

    def set(self, routing: Routing) -> Routed:
        live = {b.release for b in routing.backends if not all(e.draining for e in b.endpoints)}
        if self.damaged in live:
            routing = replace(routing, host="two\nlines")
        return super().set(routing)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One Headway whose first release serves; every test tries to bring another one."""
    with Stage() as made:
        made.swap(artifacts=PlantedStore(made.home / "artifacts"), router=DamagedRouter(made.home))
        with made.engine():
            done = made.deliver(made.commit())
            assert done.outcome == "delivered", done
            yield made


def refused(stage: Stage, sha: str, exit_code: int, code: str, *words: str) -> Delivery:
    """Deliver it by the command line: it ends with this exit code and this one error, and nothing
    that users could notice has changed.
    """
    before, seq = stage.picture(), stage.seq()
    told = stage.run("deliver", str(stage.repo), "--rev", sha)
    assert told.exit_code == exit_code, told.output
    why = [line for line in told.stdout.splitlines() if line.startswith("  why")]
    assert len(why) == 1, told.stdout
    assert why[0].count(f"[{code}]") == 1, why
    for word in words:
        assert word in why[0], why
    fresh = [e for e in stage.done() if e.seq > seq]
    assert {e.delivery for e in fresh} == {fresh[0].delivery}
    assert fresh[-1].kind == "delivery.finished"
    assert fresh[-1].data["code"] == code
    assert not [e for e in fresh if e.kind == "release.released"]
    same(stage, before)
    return stage.delivery(fresh[0].delivery)


def same(stage: Stage, before: dict[str, object]) -> None:
    assert stage.picture() == before


def never_ran(stage: Stage, release: str) -> None:
    """No instance of it was ever started: told by the target's own ledger."""
    ledger = stage.home / "ledger" / "production.jsonl"
    assert release not in {json.loads(line)["release"] for line in ledger.read_text().splitlines()}


BROKEN = {
    "unknown key": (ONE.replace("health:", "helth:"), "helth", "[unknown-key]"),
    "unit missing": (ONE.replace("timeout: 2s", "timeout: 2"), "2 what?", "[no-unit]"),
    "unit unknown": (ONE.replace("grace: 5s", "grace: 5sec"), "duration", "[unit]"),
    "share as a number": (
        config(AT_ONCE.replace("blue-green, bake: 0s, keep_old: 0s", "canary, steps: [5, 100%]")),
        "percentage",
        "[no-unit]",
    ),
    "key of another strategy": (
        config("rollout: {strategy: rolling, keep_old: 1m}"),
        "belongs to strategy blue-green",
        "[other-strategy]",
    ),
    "strategy unknown": (
        config("rollout: {strategy: bluegreen}"),
        "Did you mean `blue-green`?",
        "[unknown-value]",
    ),
    "no command": (
        "service: shop\nenvironments: {production: }\n",
        "`run` is missing",
        "[missing-key]",
    ),
    "template": (ONE.replace("-I -S app.py", "${{ inputs.x }}"), "template", "[template]"),
    "key twice": (ONE + "service: shop\n", "twice", "[duplicate-key]"),
    "steps that fall": (
        config("rollout: {strategy: canary, steps: [50%, 25%, 100%]}"),
        "steps",
        "[steps-order]",
    ),
    "no YAML": ("service: [shop\n", "not YAML", "[syntax]"),
    "alias": ("service: &a shop\nrun: *a\nenvironments: {production: }\n", "alias", "[alias]"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_headway_yaml_is_refused_at_its_place_before_anything_is_recorded(
    stage: Stage, kind: str
) -> None:
    text, word, code = BROKEN[kind]
    sha, before, seq = stage.commit(text), stage.picture(), stage.seq()
    told = stage.run("deliver", str(stage.repo), "--rev", sha)
    assert told.exit_code == 2, told.output
    assert told.stdout == ""
    lines = told.stderr.splitlines()
    assert lines[0].startswith("headway.yaml:"), lines
    assert word in lines[0], lines
    assert code in lines[0], lines
    assert lines[-1] == "1 problem. Nothing was changed.", lines
    assert stage.seq() == seq
    same(stage, before)


def test_unknown_revision_and_unknown_environment(stage: Stage) -> None:
    before, seq = stage.picture(), stage.seq()
    for arguments, code in (
        (["--rev", "no-such-branch"], "unknown-revision"),
        (["--rev", "--upload-pack=x"], "unknown-revision"),
        (["--to", "nowhere"], "unknown-name"),
    ):
        stage.commit(ONE)
        told = stage.run("deliver", str(stage.repo), *arguments)
        assert told.exit_code == 2, told.output
        assert told.stderr.startswith("error: "), told.stderr
        assert f"[{code}]" in told.stderr, told.stderr
    told = stage.run("deliver", str(stage.base / "nothing"))
    assert (told.exit_code, "[unknown-repository]" in told.stderr) == (2, True), told.stderr
    assert stage.seq() == seq
    same(stage, before)


def test_as_json_an_error_has_code_place_and_next_command(stage: Stage) -> None:
    stage.commit(ONE.replace("health:", "helth:"))
    told = stage.run("deliver", str(stage.repo), "--json")
    assert told.exit_code == 2
    assert told.stderr == ""
    error = json.loads(told.stdout)["error"]
    assert error["problems"][0]["code"] == "unknown-key"
    assert error["problems"][0]["line"] > 0


def test_headway_yaml_that_names_another_service_is_refused_in_its_hosted_repository(
    stage: Stage,
) -> None:
    """By `git push` the repository says which service it is; the file must agree."""
    sha = stage.commit(ONE.replace("service: shop", "service: bank"))
    before = stage.picture()
    commit = Commit(sha, str(stage.repo), "refs/heads/main", "Ana", "", "")
    with stage.headway.tx() as tx:
        asked = commands.Request("shop", commit, "ben")
        id = commands.request(tx, stage.headway.outbox, asked)
    done = stage.ended(id)
    assert done.outcome == "failed"
    assert "names the service `bank`, this delivery is of `shop`" in done.because
    assert stage.kinds(delivery=id) == ["delivery.requested", "delivery.finished"]
    same(stage, before)


def test_a_second_engine_on_the_same_home_is_refused(stage: Stage) -> None:
    before, seq = stage.picture(), stage.seq()
    told = stage.cli("server", "--port", "0")
    assert told.returncode == 7
    assert "[engine-runs]" in told.stderr, told.stderr
    assert stage.seq() == seq
    same(stage, before)


def test_red_workflow(stage: Stage) -> None:
    red = WORKFLOW.replace("mkdir dist && cp app.py dist/", "echo no flour; exit 9")
    done = refused(
        stage, stage.commit(ONE, workflow=red), 1, "job-failed", "`build`", "exit 9", "no flour"
    )
    assert not done.digest


def test_workflow_that_uploads_nothing(stage: Stage) -> None:
    nothing = WORKFLOW.partition("      - uses: actions/upload")[0]
    done = refused(stage, stage.commit(ONE, workflow=nothing), 1, "no-artifact", "uploaded nothing")
    assert not done.digest


def test_workflow_of_an_unknown_shape_is_refused_with_its_line(stage: Stage) -> None:
    sha = stage.commit(ONE, workflow=WORKFLOW.replace("runs-on", "runs_on"))
    words = (".github/workflows/deliver.yml:4:5:", "Did you mean `runs-on`?")
    refused(stage, sha, 1, "unknown-key", *words)


def layer_of(stage: Stage, digest: str) -> Path:
    root = stage.home / "artifacts"
    return blob(root, json.loads(blob(root, digest).read_bytes())["layers"][0]["digest"])


@pytest.mark.seed("S-014")
def test_an_artifact_lost_between_staging_and_production_is_missed_not_built_again(
    stage: Stage,
) -> None:
    before = stage.picture()["production"]
    stage.before("production", lambda asked: layer_of(stage, asked.digest).unlink())
    told = stage.run("deliver", str(stage.repo), "--rev", stage.commit())
    assert told.exit_code == 1, told.output
    assert "[missing-artifact]" in told.stdout, told.stdout
    assert stage.picture()["production"] == before
    done = stage.events(kind="delivery.finished")[-1]
    assert stage.place("staging").stable == done.release
    assert [k for k in stage.kinds(delivery=done.delivery) if k.startswith("job")] == [
        "job.finished:build"
    ]
    never_ran(stage, done.release)


@pytest.mark.seed("S-016")
def test_a_byte_flipped_in_the_store_between_build_and_deploy_is_refused(stage: Stage) -> None:
    stage.before("production", lambda asked: flip(layer_of(stage, asked.digest)))
    done = refused(stage, stage.commit(ONE), 3, "tampered", "sha256:")
    never_ran(stage, done.release)


def forget_statements(stage: Stage, digest: str) -> bytes:
    """What somebody with access to the disk can do; gives the payload that was signed."""
    payload = stage.world.artifacts.attached(digest)[0].payload
    index = stage.home / "artifacts" / "index.json"
    told = json.loads(index.read_text())
    hexes = digest.removeprefix("sha256:")
    told["manifests"] = [m for m in told["manifests"] if hexes not in str(m.get("annotations", ""))]
    index.write_text(json.dumps(told))
    assert stage.world.artifacts.attached(digest) == ()
    return payload


@pytest.mark.seed("S-016")
def test_unsigned_is_refused(stage: Stage) -> None:
    stage.before("production", lambda asked: forget_statements(stage, asked.digest))
    done = refused(stage, stage.commit(ONE), 3, "signature", "no trusted signature vouches for")
    never_ran(stage, done.release)


@pytest.mark.seed("S-016")
def test_signed_by_a_key_that_is_not_trusted_is_refused(stage: Stage) -> None:
    stranger = KeySigner(stage.base / "stranger")

    def sign_again(asked: object) -> None:
        payload = forget_statements(stage, asked.digest)  # type: ignore[attr-defined]
        envelope = stranger.sign(payload, "application/vnd.in-toto+json")
        stage.world.artifacts.attach(asked.digest, envelope)  # type: ignore[attr-defined]

    stage.before("production", sign_again)
    done = refused(stage, stage.commit(ONE), 3, "signature", stranger.keyid()[:12])
    never_ran(stage, done.release)


@pytest.mark.seed("S-016")
def test_a_good_signature_on_another_digest_is_refused(stage: Stage) -> None:
    served = stage.release(stage.place().stable)

    def reuse(asked: object) -> None:
        forget_statements(stage, asked.digest)  # type: ignore[attr-defined]
        good = stage.world.artifacts.attached(served.digest)[0]
        stage.world.artifacts.attach(asked.digest, good)  # type: ignore[attr-defined]

    stage.before("production", reuse)
    words = ("is for another artifact", served.digest[:20])
    done = refused(stage, stage.commit(ONE), 3, "provenance", *words)
    never_ran(stage, done.release)


def archive(*members: tuple[str, bytes, str, bytes]) -> bytes:
    """A tar of (name, type, link, content) after one good file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, link, content in (("app.py", tarfile.REGTYPE, "", b"x"), *members):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def bomb() -> bytes:
    """64 MiB of zeros in 64 KiB."""
    packed = subprocess.run(
        ["gzip", "-9c"], input=archive(("zeros", tarfile.REGTYPE, "", bytes(64 << 20))),
        capture_output=True, check=True,
    )  # fmt: skip
    return packed.stdout


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    return archive((name, kind, link, b"x" if kind == tarfile.REGTYPE else b""))


# name: layer, the size the manifest states, its type, a word of the refusal
HOSTILE: dict[str, tuple[Callable[[], bytes], int, str, str]] = {
    "parent": (lambda: member("../evil"), 2, manifest.TAR, ".."),
    "absolute": (lambda: member("/tmp/hw-evil"), 2, manifest.TAR, "absolute"),
    "symlink": (lambda: member("e", tarfile.SYMTYPE, "../../../etc"), 1, manifest.TAR, "links out"),
    "device": (lambda: member("mem", tarfile.CHRTYPE), 1, manifest.TAR, "device"),
    "bomb": (bomb, 1 + (64 << 20), manifest.TAR_GZIP, "times"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_with_right_digests_and_our_own_signature_is_not_unpacked(
    stage: Stage, kind: str
) -> None:
    make, content, media_type, word = HOSTILE[kind]
    store = stage.world.artifacts
    assert isinstance(store, PlantedStore)
    store.hostile = (make(), content, media_type)
    try:
        done = refused(stage, stage.commit(ONE), 1, "hostile-archive", word)
    finally:
        store.hostile = None
    assert [
        e.data["outcome"] for e in stage.events(delivery=done.id, kind="artifact.verified")
    ] == ["PASS"]
    never_ran(stage, done.release)
    assert not (stage.home / "content" / done.digest.removeprefix("sha256:")).exists()
    assert not Path("/tmp/hw-evil").exists()
    assert not list(stage.home.rglob("evil"))


def test_traffic_port_that_somebody_else_holds(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sha = stage.commit(config(f"{AT_ONCE}\n    traffic: {{port: {port}}}", staging=False))
        refused(stage, sha, 1, "port-in-use", str(port))


def test_a_routing_that_envoy_refuses_leaves_the_former_one_in_force(stage: Stage) -> None:
    router = stage.world.router
    assert isinstance(router, DamagedRouter)
    with stage.load() as load:
        load.wait_answered(20)
        router.damaged = f"shop-{_next_number(stage)}"
        try:
            refused(stage, stage.commit(ONE), 1, "routing-rejected", "refused the new routing")
        finally:
            router.damaged = ""
        load.wait_answered(20)
        tally = load.stop()
    assert tally.failed == 0, tally


def _next_number(stage: Stage) -> int:
    return 1 + max(int(e.release.rpartition("-")[2]) for e in stage.events(kind="release.created"))


@pytest.mark.seed("S-029", "S-105")
def test_a_red_smoke_test_ends_it_before_any_user_comes(stage: Stage) -> None:
    yaml = config(f"{AT_ONCE}\n    tests: [{{http: {{path: /, contains: pie}}}}]", staging=False)
    with stage.load() as load:
        load.wait_answered(20)
        words = ("1 test(s) failed", "in production", "pie")
        done = refused(stage, stage.commit(yaml), 1, "tests-failed", *words)
        tally = load.stop()
    assert tally.failed == 0, tally
    assert set(tally.versions) == {"v1"}
    assert stage.kinds(delivery=done.id, kind="rollout.shifted") == []
    told = stage.events(delivery=done.id, kind="rollout.rolled_back")[0]
    assert told.data["seconds_since_start"] < 60
    assert [e.data["outcome"] for e in stage.events(delivery=done.id, kind="tests.finished")] == [
        "FAIL"
    ]


@pytest.mark.seed("S-105")
def test_an_application_that_never_gets_ready(stage: Stage) -> None:
    yaml = ONE.replace("ready_within: 20s", "ready_within: 2s")
    with stage.load() as load:
        load.wait_answered(20)
        words = ("did not get ready in production", "0 of 1 instances ready within 2 s")
        done = refused(stage, stage.commit(yaml, ready=False), 1, "not-ready", *words)
        tally = load.stop()
    assert tally.failed == 0, tally
    assert set(tally.versions) == {"v1"}
    assert "artifact.quarantined" in stage.kinds(delivery=done.id)


@pytest.mark.seed("S-105")
def test_an_application_that_crashes_at_start_is_shown_with_its_last_words(stage: Stage) -> None:
    words = ("keeps dying in production", "last exit 1", "cannot read the price list")
    refused(stage, stage.commit(ONE, crashes=True), 1, "crash-loop", *words)


@pytest.mark.seed("S-105")
def test_an_application_that_dies_in_the_canary_is_rolled_back_by_itself(stage: Stage) -> None:
    before, seq = stage.picture(), stage.seq()
    sha = stage.commit(config(CANARY, staging=False), dies_after=5)
    with stage.load() as load:
        told = stage.run("deliver", str(stage.repo), "--rev", sha)
        tally = load.stop()
    assert told.exit_code == 4, told.output
    same(stage, before)
    back = [e for e in stage.events(kind="rollout.rolled_back") if e.seq > seq]
    assert len(back) == 1
    assert back[0].data["milliseconds"] > 0
    assert back[0].data["to"] == stage.place().stable
    assert tally.versions["v1"] > 50
    assert "artifact.quarantined" in stage.kinds(delivery=back[0].delivery)


@contextmanager
def small_disk(store: Path, spare: int) -> Iterator[None]:
    """The store on a file system with `spare` bytes left. Skips where that may not be mounted."""
    used = sum(4096 + -(-f.stat().st_size // 4096) * 4096 for f in store.rglob("*"))
    kept = store.with_name("artifacts.kept")
    shutil.copytree(store, kept)
    options = ["-t", "tmpfs", "-o", f"size={used + spare}", "tmpfs"]
    mounted = subprocess.run(["mount", *options, str(store)], capture_output=True, check=False)
    if mounted.returncode:
        shutil.rmtree(kept)
        pytest.skip(f"no small disk here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copytree(kept, store, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", str(store)], check=True)
        shutil.rmtree(kept)


def test_a_full_disk_while_storing(stage: Stage) -> None:
    store = stage.home / "artifacts"
    big = WORKFLOW.replace("cp app.py dist/", "head -c 6000000 /dev/urandom > dist/big")
    with small_disk(store, spare=2 << 20):
        before = layout_of(store)
        done = refused(stage, stage.commit(ONE, workflow=big), 1, "storage-full", "disk")
        assert layout_of(store) == before
    assert not done.digest


def test_after_all_that_a_good_release_still_goes_through(stage: Stage) -> None:
    with stage.load() as load:
        done = stage.deliver(stage.commit(ONE))
        tally = load.stop()
    assert done.outcome == "delivered", done
    assert tally.failed == 0, tally
    seqs = [e.seq for e in stage.events()]
    assert seqs == list(range(1, len(seqs) + 1))
