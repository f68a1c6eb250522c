"""Every workflow of the corpus does under Headway what its head says; under act the same, but for
the differences that the heads explain.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway import workbench
from headway.adapters.git.work_tree import WorkTree, look
from headway.flows.pipeline_bench import Bench
from tests.behaviour import with_act, with_headway
from tests.behaviour.expected import Expected, read
from tests.support import podman

HERE = Path(__file__).parent
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # nothing here tests a disk
IMAGE = "localhost/headway-corpus:1"
CORPUS = [read(file) for file in sorted((HERE / "corpus").glob("*.yml"))]


@pytest.fixture(scope="module")
def img(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image that stands for IMAGE: under a name of its own, because others test here too."""
    if not podman.able():
        yield IMAGE
        return
    with podman.image(tmp_path_factory.mktemp("image")) as name:
        yield name


@pytest.fixture(scope="module")
def tree(img: str) -> Iterator[WorkTree]:
    """A repository with the whole corpus and the actions that it uses, committed."""
    with tempfile.TemporaryDirectory(prefix="hb") as folder:
        shutil.copytree(HERE / "repo", folder, dirs_exist_ok=True)
        for expected in CORPUS:
            text = expected.file.read_text().replace(IMAGE, img)
            Path(folder, ".github/workflows", expected.file.name).write_text(text)
        commit = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "commit", "-qm", "x")
        for words in (("init", "-q", "-b", "main"), ("add", "-A"), commit):
            subprocess.run(["git", *words], cwd=folder, check=True)
        yield look(folder)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hw", dir=MEMORY) as folder:
        yield Path(folder)


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 60
    assert all(e.jobs or e.facts or e.run == "refused" for e in CORPUS)


@pytest.fixture(scope="module")
def bench(home: Path) -> Iterator[Bench]:
    made = workbench.bench(home, reuse=False)
    try:
        yield made
    finally:
        made.runner.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("expected", CORPUS, ids=lambda e: e.name)
def test_headway(expected: Expected, tree: WorkTree, bench: Bench) -> None:
    if expected.needs and not podman.able():
        pytest.skip("podman and slirp4netns are not installed, or this is not root")
    if missing := [program for program in expected.needs if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    seen = with_headway.run(expected, tree, bench)
    assert with_headway.differences(expected, seen) == []


@pytest.fixture(scope="module")
def act(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_act.install(tmp_path_factory.mktemp("act"))


@pytest.mark.soak
@pytest.mark.parametrize("expected", CORPUS, ids=lambda e: e.name)
def test_act(expected: Expected, tree: WorkTree, home: Path, act: Path) -> None:
    if expected.needs:
        pytest.skip("act's host mode runs no containers")
    seen = with_act.run(act, expected, Path(tree.folder), home / "act")
    assert with_act.differences(expected, seen) == []
