"""Parts of pools that need no worker: where jobs go, sealed secrets, results, logs in place."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from tests.contract.job_runs import Seen, order

from headway.adapters.linux import logs
from headway.flows import pool_files, pool_result, pool_route, pool_seal, pool_ship
from headway.flows.pool_files import Mark, Said
from headway.model.errors import Drifted, HeadwayError, Invalid, Refused, Unreachable
from headway.model.job import JobReport, StepReport
from headway.pipeline.pool.choice import LATER, NORMAL, SOON, Limits
from headway.store.pool_claims import Claim, Piece
from headway.store.pool_members import Pool

GPU, DEFAULT = Pool("gpu", Limits()), Pool("default", Limits())


@pytest.mark.parametrize(
    ("labels", "pools", "living", "pool"),
    [
        (("ubuntu-latest",), [], [], ""),
        (("ubuntu-latest",), [GPU], ["gpu"], ""),
        (("self-hosted", "gpu"), [GPU], [], "gpu"),
        (("GPU",), [GPU, DEFAULT], ["default"], "gpu"),
        (("group:GPU", "x64"), [GPU], [], "gpu"),
        (("group:org/gpu",), [GPU], [], "gpu"),
        (("group:other",), [GPU], [], ""),
        (("ubuntu-latest",), [DEFAULT], ["default"], "default"),
        (("ubuntu-latest",), [DEFAULT], [], ""),
        (("ubuntu-latest",), [Pool("default", Limits(pool=4))], [], "default"),
        (("default",), [DEFAULT], [], "default"),
        ((), [DEFAULT, GPU], ["default"], "default"),
    ],
)
def test_where_a_job_goes(
    labels: tuple[str, ...], pools: list[Pool], living: list[str], pool: str
) -> None:
    assert pool_route.pool_of(order("j", runs_on=labels), pools, living) == pool


def test_what_looks_at_this_machine_stays_here() -> None:
    common = ([DEFAULT], ["default"])
    for address in ("http://127.0.0.1:8080/", "http://localhost/x", "http://[::1]:9/"):
        here = order("j", env=({"HEADWAY_URL": address},), runs_on=("ubuntu-latest",))
        assert pool_route.pool_of(here, *common) == ""
    far = order("j", env=({"HEADWAY_URL": "https://staging.example"},))
    assert pool_route.pool_of(far, *common) == "default"
    dirty = order("j", folder="/src", runs_on=("ubuntu-latest",))
    assert pool_route.pool_of(dirty, *common) == ""
    with pytest.raises(Refused) as refused:
        pool_route.pool_of(replace(dirty, runs_on=("gpu",)), [GPU], ["gpu"])
    assert refused.value.code == "pool-needs-commit"


def test_how_urgent_a_job_is() -> None:
    def of(event: str, environment: str = "") -> int:
        contexts = {"github": {"event_name": event}}
        return pool_route.priority(order("j", contexts=contexts, environment=environment))

    assert [of("schedule"), of("push"), of("workflow_dispatch")] == [LATER, NORMAL, SOON]
    assert of("schedule", "production") == SOON
    assert pool_route.priority(order("j")) == NORMAL
    only_asks = order("j", environment="production", deploys=False)
    assert pool_route.priority(only_asks) == NORMAL


def test_secrets_open_for_one_worker_and_one_claim_only() -> None:
    mine, other = pool_seal.make_key(), pool_seal.make_key()
    claim = Claim("run/job/1", 3, "worker-1")
    secrets = {"TOKEN": "hunter2", "EMPTY": "", "LONG": "ü\n" * 5000}
    sealed = pool_seal.close(secrets, pool_seal.public(mine), claim)
    assert b"hunter2" not in sealed
    assert pool_seal.open_(sealed, mine, claim) == secrets
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    wrong = [
        (sealed, other, claim),
        (sealed, mine, replace(claim, generation=4)),
        (sealed, mine, replace(claim, job="run/other/1")),
        (sealed, mine, replace(claim, worker="worker-2")),
        (flipped, mine, claim),
    ]
    for box, key, about in wrong:
        with pytest.raises(Drifted) as refused:
            pool_seal.open_(box, key, about)
        assert refused.value.code == "sealed-for-another"
    assert pool_seal.close(secrets, pool_seal.public(mine), claim) != sealed


def test_results_come_back_as_they_were() -> None:
    report = JobReport("j", "failure", 1.0, 2.0, because="exit 1", outputs={"a": "b"})
    assert pool_result.read(pool_result.of_report(report)) == report
    for error in (
        Refused("no", why="w", next="n", code="c"),
        Invalid("bad", code="x"),
        Unreachable("away"),
        HeadwayError("a bug", code="bug"),
    ):
        with pytest.raises(type(error)) as raised:
            pool_result.read(pool_result.of_error(error))
        assert str(raised.value) == str(error)
        assert (raised.value.next, raised.value.code) == (error.next, error.code)


def log(number: int, offset: int, data: bytes, generation: int = 1) -> Piece:
    return Piece("log", number, offset, data, generation=generation)


def test_words_are_put_in_their_place_and_told(tmp_path: Path) -> None:
    job, seen = order("j"), Seen()
    said = Said(tmp_path, job, Mark(1, "gpu"), logs.parse)
    text = b"one\n##[group]In\ninner\n##[endgroup]\n##[debug]hidden\n##[error]bad%0Athing\nend"
    said.take(Piece("began", 0, 0, b'"Build"', generation=1), 5.0, seen)
    for start in range(0, len(text), 7):
        said.take(log(0, start, text[start : start + 7]), 5.0, seen)
    report = StepReport("s", "Build", "success", "success", 0, 1.0, 2.0, log=0)
    said.take(Piece("ended", 0, 0, msgspec.json.encode(report), generation=1), 6.0, seen)
    assert seen.began == [(0, "Build")]
    assert seen.ended == [(0, report)]
    shown = [(line.text, line.group, line.level) for _, line in seen.lines]
    assert shown == [
        ("one", 0, ""),
        ("In", 0, "group"),
        ("inner", 1, ""),
        ("bad\nthing", 0, "error"),
        ("end", 0, ""),
    ]
    assert logs.read(tmp_path / "runs/run_1/j", 0)[0] == text
    # the same pieces again, as after a crash between writing and taking note
    again = Said(tmp_path, job, pool_files.read_mark(tmp_path, job) or Mark(1, ""), logs.parse)
    again.take(log(0, 0, text[:7]), 7.0, Seen())
    assert logs.read(tmp_path / "runs/run_1/j", 0)[0] == text


def test_another_generation_begins_its_words_anew(tmp_path: Path) -> None:
    job = order("j")
    said = Said(tmp_path, job, Mark(1, "gpu"), logs.parse)
    said.take(log(0, 0, b"of the dead worker\nmore\n"), 1.0, Seen())
    said.take(log(0, 0, b"anew\n", generation=2), 2.0, Seen())
    assert logs.read(tmp_path / "runs/run_1/j", 0)[0] == b"anew\n"
    assert pool_files.read_mark(tmp_path, job) == Mark(1, "gpu", 2)
    assert pool_files.read_mark(tmp_path, replace(job, attempt=2)) is None


def test_logs_of_an_earlier_try_are_kept_aside(tmp_path: Path) -> None:
    first, second = order("j"), order("j", attempt=2, tries=2)
    Said(tmp_path, first, Mark(1, "gpu"), logs.parse).take(log(0, 0, b"first\n"), 1.0, Seen())
    said = Said(tmp_path, second, Mark(2, "gpu"), logs.parse)
    said.take(log(0, 0, b"second\n"), 2.0, Seen())
    assert logs.read(tmp_path / "runs/run_1/.tries/j/1", 0)[0] == b"first\n"
    assert logs.read(tmp_path / "runs/run_1/j", 0)[0] == b"second\n"


def test_a_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    said = Said(tmp_path, order("j"), Mark(1, "gpu"), logs.parse)
    said.take(log(0, 0, b"x\n"), 1.0, Seen())
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "runs/run_1/j/logs/1.log").symlink_to(target)
    with pytest.raises(HeadwayError):
        said.take(log(1, 0, b"theirs"), 1.0, Seen())
    assert target.read_text() == "mine"


def test_a_steps_log_is_handed_over_whole_before_a_later_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    for number in (2, 10, 9):
        (tmp_path / "logs" / f"{number}.log").write_bytes(b"x" * 100)
        (tmp_path / "logs" / f"{number}.idx").write_bytes(b"i")
    monkeypatch.setattr(pool_ship, "PIECE_BYTES", 64)
    sent: list[Piece] = []

    class Kept(pool_ship.Ship):
        def _send(self, pieces: list[Piece], shipped: dict[str, int]) -> None:
            sent.extend(pieces)
            self._shipped = dict(shipped)

    ship = Kept(sa.create_engine("sqlite://"), Claim("j", 1, "w"), tmp_path, lambda: None)
    while ship._files():
        pass
    order = [(p.number, p.kind) for p in sent]
    assert order == [(n, k) for n in (2, 9, 10) for k in ("idx", "log", "log")]
