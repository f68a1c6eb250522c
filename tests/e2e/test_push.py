"""git push to a real server starts a delivery; a lost hook loses nothing; strangers cannot push."""

import shutil
from collections.abc import Iterator

import pytest
from tests.support.stage import Stage, config, eventually

from headway.store import records
from headway.store.views import lists
from headway.store.views.paging import Filter


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def shas(stage: Stage) -> list[str]:
    with stage.headway.reading() as connection:
        return [d.commit for d in lists.list_deliveries(connection, Filter())]


def the_delivery(stage: Stage) -> str:
    with stage.headway.reading() as connection:
        return lists.list_deliveries(connection, Filter())[0].id


@pytest.mark.seed("S-001", "S-050")
def test_a_push_is_on_staging_and_in_production_without_a_click(stage: Stage) -> None:
    sha = stage.commit()
    with stage.server():
        assert stage.cli("remote", str(stage.repo)).returncode == 0
        pushed = stage.git("push", "--porcelain", "headway", "main")
        assert "Done" in pushed
        eventually(lambda: shas(stage) == [sha], lambda: str(shas(stage)), 5)
        done = stage.ended(the_delivery(stage))
        assert done.outcome == "delivered", done.because
        with stage.headway.reading() as connection:
            staged = records.place(connection, "shop", "staging")
        assert staged.stable == stage.place("production").stable == "shop-1"


@pytest.mark.soak
def test_a_push_to_another_branch_delivers_nothing(stage: Stage) -> None:
    stage.commit()
    with stage.server():
        stage.cli("remote", str(stage.repo))
        stage.git("push", "--quiet", "headway", "main:feature")
        sha = stage.commit()
        stage.git("push", "--quiet", "headway", "main")
        eventually(lambda: shas(stage) == [sha], lambda: str(shas(stage)), 10)
        stage.ended(the_delivery(stage))


def test_a_push_whose_hook_was_lost_is_delivered_at_the_next_start(stage: Stage) -> None:
    sha = stage.commit(config("rollout: {strategy: rolling, stability: 0s}"))
    bare = stage.headway.host("shop")
    (bare / "hooks" / "post-receive").write_text("#!/bin/sh\nexit 0\n")
    stage.git("push", "--quiet", str(bare), "main")
    shutil.rmtree(stage.home / "pushes", ignore_errors=True)
    with stage.server():
        eventually(lambda: shas(stage) == [sha], lambda: str(shas(stage)), 10)
        assert stage.ended(the_delivery(stage)).outcome == "delivered"


def test_without_the_token_nobody_pushes_or_reads(stage: Stage) -> None:
    stage.commit()
    with stage.server():
        stage.cli("remote", str(stage.repo))
        url = stage.git("remote", "get-url", "headway")
        assert "@" not in url
        for verb in (["push", url, "main"], ["ls-remote", url]):
            with pytest.raises(Exception, match="returned non-zero exit status"):
                stage.git("-c", "credential.helper=", "-c", f"credential.{url}.helper=",
                          "-c", f"credential.{url.rsplit('/', 1)[0]}.helper=", "-c",
                          "core.askPass=true", *verb)  # fmt: skip
        assert shas(stage) == []
