"""What Repositories promises: of a folder on this machine, and of one behind HTTP with a token."""

import base64
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from tests.support.serving import serving
from tests.support.triggering import Repository

from headway.adapters.git.hosting import GitHosting
from headway.adapters.git.source_host import GitSourceHost
from headway.api.git import git_app
from headway.model.errors import HeadwayError, Invalid, Unreachable
from headway.ports.repositories import Repositories

TOKEN = "r3ad-T0KEN"
BASIC = "Basic " + base64.b64encode(f"headway:{TOKEN}".encode()).decode()


@dataclass
class Place:
    """A repository, the address that the adapter gets, and the token it needs."""

    repo: Repository
    address: str
    token: str
    git: Repositories

    def publish(self) -> None:
        """What a far repository shows is what was pushed to it."""
        if self.token:
            specs = [f"refs/{kind}/*:refs/{kind}/*" for kind in ("heads", "tags", "pull")]
            self.repo.git("push", "-q", "--force", "--prune", "hosted", *specs)


def adapter(home: Path) -> Repositories:
    (found,) = [e for e in entry_points(group="headway.repositories") if e.name == "git"]
    made: Repositories = found.load()(home)
    return made


@pytest.fixture(params=["near", "far"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    repo = Repository(tmp_path / "work" / "shop")
    made = adapter(tmp_path / "home")
    if request.param == "near":
        yield Place(repo, str(repo.folder), "", made)
        return
    hosted = GitHosting(tmp_path / "host").create("shop")
    with (hosted / "config").open("a") as config:
        config.write("[transfer]\n\thideRefs = !refs/pull\n[receive]\n\tdenyDeletes = false\n")
    repo.git("remote", "add", "hosted", str(hosted))
    door = git_app(tmp_path / "host", _allowed)
    with serving(door) as address:
        yield Place(repo, f"{address}/shop.git", TOKEN, made)


def _allowed(request: Request) -> bool:
    return request.headers.get("authorization") == BASIC


def test_heads_are_branches_and_peeled_tags_and_the_default(here: Place) -> None:
    first = here.repo.commit(x="1")
    here.repo.git("tag", "-a", "v1", "-m", "one")
    here.repo.git("branch", "topic")
    second = here.repo.commit(x="2")
    here.publish()
    assert here.git.heads(here.address, here.token) == {
        "HEAD": "refs/heads/main",
        "refs/heads/main": second,
        "refs/heads/topic": first,
        "refs/tags/v1": first,
    }


def test_what_is_brought_can_be_read(here: Place) -> None:
    first = here.repo.commit(a__b="1")
    here.publish()
    folder = here.git.bring(here.address, ("refs/heads/main",), here.token)
    source = GitSourceHost()
    assert source.read(folder, first, "a/b") == b"1"
    second = here.repo.commit(a__b="2")
    here.repo.git("branch", "topic")
    here.publish()
    again = here.git.bring(here.address, (), here.token)
    assert again == folder
    assert source.commit(folder, "refs/heads/topic").sha == second
    assert source.commit(folder, "HEAD").sha == second


def test_refs_of_pull_requests_are_brought_if_they_are_there(here: Place) -> None:
    here.repo.commit(x="1")
    here.repo.git("checkout", "-q", "--detach")
    head = here.repo.commit(x="pull")
    here.repo.git("update-ref", "refs/pull/7/head", head)
    here.repo.git("checkout", "-q", "main")
    here.publish()
    wanted = ("refs/pull/7/head", "refs/pull/8/head", "", "refs/pull/7/merge", "--upload-pack=x")
    folder = here.git.bring(here.address, wanted, here.token)
    assert GitSourceHost().commit(folder, "refs/pull/7/head").sha == head


def test_a_branch_that_went_away_is_gone(here: Place) -> None:
    here.repo.commit(x="1")
    here.repo.git("branch", "old")
    here.publish()
    here.git.bring(here.address, (), here.token)
    here.repo.git("branch", "-D", "old")
    here.publish()
    folder = here.git.bring(here.address, (), here.token)
    with pytest.raises(Invalid):
        GitSourceHost().commit(folder, "refs/heads/old")


def test_files_are_the_regular_ones_right_in_the_folder(here: Place) -> None:
    (here.repo.folder / "f").mkdir()
    (here.repo.folder / "f" / "link").symlink_to("a")
    (here.repo.folder / "f" / "we ird\n\u00fc\t").write_text("x")
    sha = here.repo.commit(f__a="1", f__deep__b="2", fx="3")
    here.publish()
    folder = here.git.bring(here.address, (), here.token)
    assert set(here.git.files(folder, sha, "f")) == {"f/a", "f/we ird\n\u00fc\t"}
    assert here.git.files(folder, sha, "none") == ()
    assert here.git.files(folder, sha, "fx") == ()
    with pytest.raises(Invalid):
        here.git.files(folder, "e" * 40, "f")
    with pytest.raises(Invalid):
        here.git.files(folder, "--help", "f")


def test_changed_files(here: Place) -> None:
    base = here.repo.commit(a="1", b="1", c="1")
    here.repo.git("checkout", "-q", "-b", "topic")
    here.repo.git("mv", "a", "moved")
    topic = here.repo.commit(b=None, new="x")
    here.repo.git("checkout", "-q", "main")
    main = here.repo.commit(c="2")
    here.publish()
    folder = here.git.bring(here.address, (), here.token)

    def changed(old: str, new: str, *, forked: bool = False) -> set[str] | None:
        found = here.git.changed(folder, old, new, forked=forked)
        return None if found is None else set(found)

    assert changed(base, topic) == {"a", "moved", "b", "new"}
    assert changed(main, topic) == {"a", "moved", "b", "new", "c"}
    assert changed(main, topic, forked=True) == {"a", "moved", "b", "new"}
    assert changed("", base) == {"a", "b", "c"}
    assert changed(base, base) == set()
    assert changed("e" * 40, base) is None
    assert changed("e" * 40, base, forked=True) is None
    with pytest.raises(Invalid):
        changed("--output=/tmp/x", base)


def test_a_wrong_token_is_refused_and_never_told(here: Place) -> None:
    if not here.token:
        pytest.skip("a folder asks for no token")
    here.repo.commit(x="1")
    here.publish()
    for wrong in ("wr0ng", ""):
        for call in (here.git.heads, lambda a, t: here.git.bring(a, (), t)):
            with pytest.raises(Invalid) as caught:
                call(here.address, wrong)
            assert "wr0ng" not in repr(caught.value) + str(caught.value) + str(caught.value.why)


def test_a_token_is_in_no_arguments_and_no_files(here: Place, tmp_path: Path) -> None:
    here.repo.commit(x="1")
    here.publish()
    here.git.bring(here.address, (), here.token)
    found = subprocess.run(
        ["grep", "-rlF", here.token or "nothing", str(tmp_path / "home")], capture_output=True,
        check=False,
    )  # fmt: skip
    assert found.stdout == b""


@pytest.mark.parametrize(
    "address",
    ["", "--upload-pack=touch /tmp/x", "ext::sh -c touch% /tmp/x", "ssh://h/x", "git://h/x",
     "file:///etc", "/nonexistent", "http://", "https://a b", "http://h/\n"],
)  # fmt: skip
def test_hostile_addresses_are_no_repositories(tmp_path: Path, address: str) -> None:
    for call in (adapter(tmp_path).heads, lambda a: adapter(tmp_path).bring(a, ())):
        with pytest.raises(HeadwayError):
            call(address)


def test_a_token_does_not_follow_to_another_place(tmp_path: Path) -> None:
    """Who answers with a redirect is not believed: the token was for the first address."""
    asked: list[str] = []

    def door(name: str, status: int, location: str = "") -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                asked.append(name)
                headers = [(b"location", location.encode())] if location else []
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": b""})

        return app

    with serving(door("other", 200)) as other:
        moved = door("first", 301, f"{other}/x.git/info/refs?service=git-upload-pack")
        with serving(moved) as address, pytest.raises(Invalid) as caught:
            adapter(tmp_path).heads(f"{address}/x.git", TOKEN)
    assert "has moved" in str(caught.value)
    assert set(asked) == {"first"}


def test_honest_old_repositories_are_taken(here: Place) -> None:
    """A tree whose modes are padded with zeros, as early tools wrote them."""
    blob = here.repo.commit(x="1") and here.repo.git("rev-parse", "HEAD:x")
    entry = b"0100644 x\0" + bytes.fromhex(blob)
    git = ["git", "-C", str(here.repo.folder), "hash-object", "-w", "-t", "tree", "--literally"]
    made = subprocess.run([*git, "--stdin"], input=entry, capture_output=True, check=True)
    commit = here.repo.git("commit-tree", made.stdout.decode().strip(), "-m", "old")
    here.repo.git("update-ref", "refs/heads/main", commit)
    if here.token:
        hosted = here.repo.git("remote", "get-url", "hosted")
        config = ("-c", "receive.fsckObjects=false", "-c", "transfer.fsckObjects=false")
        here.repo.git(*config, "-C", hosted, "fetch", "-q", str(here.repo.folder), "+main:main")
    folder = here.git.bring(here.address, (), here.token)
    assert GitSourceHost().commit(folder, "HEAD").sha == commit


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        adapter(tmp_path).heads("http://user:p4ss@127.0.0.1:9/x.git")
    assert "p4ss" not in repr(caught.value) + str(caught.value.why)
