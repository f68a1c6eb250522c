"""The parts of the demo for real: repository, built shop, its faults, and users who count."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest
import yaml

from headway.demo.arrivals import due_times, shots
from headway.demo.open_loop import Limits, OpenLoop
from headway.demo.repository import write
from headway.demo.tally import Tally
from headway.model.errors import Failed, Invalid

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# Asks the shop in its own process, without a network: many requests, their status and waits.
SAMPLE = """
import asyncio, json, sys
import shop

waits, real_sleep = [], asyncio.sleep

async def noted_sleep(seconds):
    waits.append(seconds)
    await real_sleep(0)

async def ask(path, user, number):
    headers = [(b"x-request-id", str(number).encode())]
    headers += [(b"x-user-id", user.encode())] if user else []
    seen = {}
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        if message["type"] == "http.response.start":
            seen["status"] = message["status"]
            seen["headers"] = {k.decode(): v.decode() for k, v in message["headers"]}
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
             "asgi": {"version": "3.0"}, "server": ("h", 1), "client": ("c", 1), "root_path": ""}
    await shop.app(scope, receive, send)
    return seen

async def sample(path, count, named):
    del waits[:]
    got = [await ask(path, f"u{n % 1000:04}" if named else "", n) for n in range(count)]
    return {"bad": [n for n, g in enumerate(got) if g["status"] != 200],
            "marked": [n for n, g in enumerate(got) if "x-shop-fault" in g["headers"]],
            "versions": sorted({g["headers"]["x-shop-version"] for g in got}),
            "waits": list(waits)}

async def main():
    shop.asyncio.sleep = noted_sleep
    async with shop.lifespan(shop.app):
        found = {"users": await sample("/products", 2500, True),
                 "testers": await sample("/products", 400, False),
                 "product": await sample("/products/7", 200, True),
                 "kept": len(shop._kept), "ready": (await ask("/health/ready", "", 0))["status"]}
        shop.app.state.database.close()
        found["closed"] = (await ask("/health/ready", "", 0))["status"]
        found["live"] = (await ask("/health", "", 0))["status"]
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop as its own workflow builds it: every `run` step, in order, in a clean clone."""
    folder = tmp_path_factory.mktemp("shop") / "shop"
    write(folder, 1, "none", 1)
    workflow = yaml.safe_load((folder / ".github/workflows/deliver.yml").read_text())
    job = workflow["jobs"]["build"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for step in (s for s in job["steps"] if "run" in s):
        command = ["bash", "-e", "-c", step["run"]]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | job["env"] | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{step['name']}:\n{done.stdout}{done.stderr}"
    return folder / "dist"


@pytest.fixture(scope="module")
def sampled(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, str], dict]:
    """Samples of a version with a fault, each taken once."""
    known: dict[tuple[int, str], dict] = {}

    def of(version: int, fault: str) -> dict:
        if (version, fault) not in known:
            folder = tmp_path_factory.mktemp("version")
            write(folder / "r", version, fault, 1)
            known[version, fault] = _ask_directly(folder / "r", built / "lib")
        return known[version, fault]

    return of


def _ask_directly(folder: Path, libraries: Path) -> dict:
    env = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{libraries}"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", SAMPLE],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


# --- repository


def test_the_same_arguments_give_the_same_commits(tmp_path: Path) -> None:
    one, two = ([write(tmp_path / n, v, "both", 1) for v in (1, 2, 3)] for n in "ab")
    assert one == two
    assert len(set(one)) == 3
    assert write(tmp_path / "a", 3, "both", 1) == one[2]
    other = [write(tmp_path / "c", v, "leak", 1) for v in (1, 2, 3)]
    assert other[:2] == one[:2]
    assert other[2] != one[2]


def test_a_hook_and_a_persons_own_git_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = write(tmp_path / "plain", 1, "none", 1)
    (tmp_path / ".gitconfig").write_text("[commit]\ngpgsign = true\n[core]\nautocrlf = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert write(tmp_path / "again", 1, "none", 1) == expected
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("version", "fault"), [(0, "none"), (4, "none"), (3, "fire")])
def test_what_the_shop_cannot_be_is_refused(tmp_path: Path, version: int, fault: str) -> None:
    with pytest.raises(Invalid):
        write(tmp_path / "r", version, fault, 1)
    assert not (tmp_path / "r").exists()


def test_git_says_why_it_failed(tmp_path: Path) -> None:
    write(tmp_path, 1, "none", 1)
    (tmp_path / ".git" / "index.lock").write_text("")
    with pytest.raises(Failed, match=r"index\.lock"):
        write(tmp_path, 2, "none", 1)


# --- the shop and its faults


def test_the_build_holds_the_shop_and_no_trace_of_when_or_where(built: Path) -> None:
    assert (built / "shop.py").is_file()
    files = [path for path in built.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".pyc"]
    here = str(built.parent).encode()
    assert not [path for path in files if here in path.read_bytes()]


@pytest.mark.parametrize(("version", "fault"), [(1, "both"), (2, "both"), (3, "none")])
def test_good_versions_have_no_fault(sampled: Callable, version: int, fault: str) -> None:
    found = sampled(version, fault)
    for part in ("users", "testers", "product"):
        assert found[part]["bad"] == found[part]["marked"] == []
        assert found[part]["versions"] == [f"v{version}"]
    assert found["kept"] == 0
    assert found["users"]["waits"] == sampled(1, "both")["users"]["waits"]
    assert p95(found["users"]["waits"]) == pytest.approx(0.018, rel=0.1)


@pytest.mark.parametrize(
    ("fault", "errors", "slower"),
    [("both", True, True), ("errors", True, False), ("latency", False, True)],
)
def test_version_3_fails_users_on_one_route_only(
    sampled: Callable, fault: str, errors: bool, slower: bool
) -> None:
    found, good = sampled(3, fault), sampled(2, "both")
    assert found["users"]["bad"] == found["users"]["marked"]
    share = len(found["users"]["bad"]) / 2500
    assert (0.014 < share < 0.026) if errors else share == 0
    ratio = p95(found["users"]["waits"]) / p95(good["users"]["waits"])
    assert ratio == pytest.approx(1.5 if slower else 1.0, rel=0.01)
    for part in ("testers", "product"):
        assert found[part]["bad"] == []
        assert found[part]["waits"] == good[part]["waits"]


def test_the_leak_keeps_memory_and_gets_slower(sampled: Callable) -> None:
    found = sampled(3, "leak")
    waits = found["users"]["waits"]
    assert found["kept"] == 2500
    assert found["users"]["bad"] == []
    assert sum(waits[-500:]) / 500 > sum(waits[:500]) / 500 + 0.03
    assert found["testers"]["waits"] == sampled(2, "both")["testers"]["waits"]


def test_ready_is_about_the_database_and_live_is_not(sampled: Callable) -> None:
    found = sampled(1, "both")
    assert (found["ready"], found["closed"], found["live"]) == (200, 503, 200)


# --- users against servers that misbehave

IMPATIENT = Limits(answer_seconds=0.3)
OK = b"HTTP/1.1 200 OK\r\nx-shop-version: v2\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
MARKED = b"HTTP/1.1 500 E\r\nx-shop-version: v3\r\nx-shop-fault: 1\r\ncontent-length: 0\r\n\r\n"
PROXY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf"


async def _read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length")]
    if length:
        await reader.readexactly(int(length[0].split(b":")[1]))


def _answering(answer: bytes, *, then_close: bool = False) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await _read_request(reader)
                writer.write(answer)
                await writer.drain()
                if then_close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the users closed
        writer.close()

    return handle


async def _resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _read_request(reader)
    linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _load(port: int, limits: Limits, seconds: float) -> tuple[Tally, OpenLoop]:
    tally = Tally()
    users = OpenLoop("127.0.0.1", port, tally, limits)
    users.start(shots(due_times(100, 1, poisson=False), 1, "shop"))
    await asyncio.sleep(seconds)
    await users.stop()
    return tally, users


async def _against(handle: Handler, limits: Limits = IMPATIENT) -> tuple:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        return await _load(server.sockets[0].getsockname()[1], limits, 0.3)


@pytest.mark.parametrize(
    ("handle", "kind", "reason"),
    [
        (_answering(OK), "ok", None),
        (_answering(CHUNKED), "ok", None),
        (_answering(CLOSING, then_close=True), "ok", None),
        (_answering(ENDLESS, then_close=True), "ok", None),
        (_answering(MARKED), "shop_fault", None),
        (_answering(PROXY), "lost", "status"),
        (_answering(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"), "lost", "status"),
        (_answering(CUT, then_close=True), "lost", "closed"),
        (_answering(b"", then_close=True), "lost", "closed"),
        (_answering(b"what?\r\n\r\n"), "lost", "malformed"),
        (_resetting, "lost", "reset"),
        (_silent, "lost", "timeout"),
    ],
    ids=[
        "ok", "chunked", "close", "until-close", "shop-fault", "503", "302", "cut", "closed",
        "malformed", "reset", "silent",
    ],
)  # fmt: skip
def test_every_request_is_classified(handle: Handler, kind: str, reason: str | None) -> None:
    tally, users = asyncio.run(_against(handle))
    assert users.offered > 5
    assert dict(tally.total.counts) == {kind: users.offered}
    assert dict(tally.reasons) == ({reason: users.offered} if reason else {})
    assert users.stray == 0


def test_a_port_where_nobody_listens_is_a_loss_each_time() -> None:
    with socket.socket() as probe:  # bound and not listening: refuses
        probe.bind(("127.0.0.1", 0))
        tally, users = asyncio.run(_load(probe.getsockname()[1], Limits(), 0.3))
    assert users.offered > 5
    assert dict(tally.reasons) == {"refused": users.offered}


def test_too_few_connections_is_a_loss_and_nobody_waits_for_ever() -> None:
    limits = Limits(connections=3, wait_seconds=0.2, answer_seconds=0.6)
    tally, users = asyncio.run(_against(_silent, limits))
    assert users.most_open == 3
    assert tally.reasons["timeout"] >= 3
    assert tally.reasons["no_connection"] > 5
    assert tally.reasons.total() == users.offered


def test_a_stalled_server_does_not_slow_the_users_and_the_stall_is_measured() -> None:
    got, enough, go_on = [], asyncio.Event(), asyncio.Event()

    async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        got.append(None)
        if len(got) == 100:  # 100 requests sent, though none was answered
            enough.set()
        await go_on.wait()
        writer.write(CLOSING)
        writer.close()

    async def story() -> tuple[Tally, OpenLoop]:
        server = await asyncio.start_server(stalling, "127.0.0.1", 0)
        async with server:
            load = asyncio.create_task(_load(server.sockets[0].getsockname()[1], Limits(), 1.2))
            async with asyncio.timeout(30):
                await enough.wait()
            go_on.set()
            return await load

    tally, users = asyncio.run(story())
    assert users.most_open >= 100
    assert dict(tally.total.counts) == {"ok": users.offered}
    slowest = tally.total.most_ms
    assert slowest > 900  # the first one waited for the hundredth, due 0.99 s after it


# --- the users' process against the real shop


@contextmanager
def _shop(built: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = yaml.safe_load((built.parent / "headway.yaml").read_text())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PORT": str(port), "PATH": path, "TMPDIR": str(log.parent)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", config["run"]], cwd=built, env=env, stdout=output, stderr=output
        )
    try:
        _wait_for(lambda: _ready(f"http://127.0.0.1:{port}/health/ready"), "the shop")
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (URLError, ConnectionError):
        return False


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited 30 s for {what}")


def _counts(out: Path) -> dict:
    return json.loads(out.read_text()) if out.exists() else {"total": {"requests": 0, "lost": 0}}


def test_users_count_every_request_until_they_are_told_to_stop(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    with _shop(built, tmp_path / "log") as (shop, url):
        command = [sys.executable, "-m", "headway.demo.users", "--url", url, "--rate", "200"]
        users = subprocess.Popen([*command, "--out", str(out)])
        try:
            _wait_for(lambda: _counts(out)["total"]["requests"] > 300, "300 requests")
            before = _counts(out)
            shop.kill()
            _wait_for(lambda: _counts(out)["total"]["lost"] > 20, "losses")
        finally:
            users.send_signal(signal.SIGTERM)
            status = users.wait(30)
    last = _counts(out)
    assert (status, before["final"], last["final"]) == (0, False, True)
    assert before["total"]["ok"] == before["total"]["requests"] == before["versions"]["v1"]["ok"]
    assert before["lost_by_reason"] == {}
    assert last["in_flight"] == 0
    assert last["offered"] == last["total"]["requests"]
    assert last["lost_by_reason"]["refused"] >= 1
    assert set(last["lost_by_reason"]) <= {"refused", "reset", "closed"}
    assert [each["at"] for each in last["losses"]] == sorted(each["at"] for each in last["losses"])
    assert last["cpu"]["ms_per_request"] > 0
