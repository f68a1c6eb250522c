"""Services: a real PostgreSQL in the place of a container; what cannot be is refused by name."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.job_runs import order
from tests.support.actions_bench import PlainHands
from tests.support.podman import needs_redis

from headway.adapters.linux.actions import engine, native, services
from headway.adapters.linux.actions.service_images import Wish, native_fault, wishes
from headway.model.errors import Failed, Refused

POSTGRES = {"image": "postgres:15", "env": {"POSTGRES_PASSWORD": "te'st $x"}}
needs_postgres = pytest.mark.skipif(
    not native._installed_postgres(), reason="PostgreSQL is not installed"
)


@pytest.fixture(autouse=True)
def no_podman(monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine._which
    monkeypatch.setattr(engine, "_which", lambda name: "" if name == "podman" else found(name))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[services.Services]:
    one = _services(tmp_path)
    yield one
    one.stop()


def _services(folder: Path) -> services.Services:
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder)}
    return services.Services(folder / "services", PlainHands(), env, order("x"))


def check(given: dict[str, Any], container: Any = None, **more: Any) -> None:
    services.check(order("x", services=given, container=container, **more), Path("/nowhere"))


def ask(port: str, sql: str, user: str = "postgres", database: str = "postgres") -> str:
    programs = next(iter(native._installed_postgres().values()))
    env = {"PATH": os.environ["PATH"], "PGPASSWORD": "te'st $x", "PGCONNECT_TIMEOUT": "10"}
    told = subprocess.run(
        [programs / "psql", "-h", "127.0.0.1", "-p", port, "-U", user, "-Atc", sql, database],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or told.stderr.strip()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@needs_postgres
@pytest.mark.seed("S-026")
def test_postgres_as_the_image_has_it(made: services.Services, tmp_path: Path) -> None:
    env = {**POSTGRES["env"], "POSTGRES_USER": "app", "POSTGRES_DB": "shop-db"}
    given = {"db": {**POSTGRES, "env": env, "ports": ["5432"], "options": "--health-cmd x"}}
    check(given)
    context = made.start(given, None)
    port = context["db"]["ports"]["5432"]
    assert int(port) > 1023
    assert ask(port, "select current_user || current_database()", "app", "shop-db") == "appshop-db"
    assert "password authentication failed" in ask(port, "select 1", "nobody", "shop-db")
    made.stop()
    assert not is_open(int(port))
    assert list((tmp_path / "services").iterdir()) == []
    made.stop()


@needs_postgres
def test_a_job_that_goes_on_finds_its_data_at_the_same_port(tmp_path: Path) -> None:
    first = _services(tmp_path)
    port = first.start({"db": POSTGRES}, None)["db"]["ports"]["5432"]
    ask(port, "create table t as select 42 as x")
    pid = int((tmp_path / "services/db/data/postmaster.pid").read_text().split()[0])
    os.kill(pid, 9)  # as the end of the sandbox does
    first._held.close()
    second = _services(tmp_path)
    try:
        assert second.start({"db": POSTGRES}, None)["db"]["ports"]["5432"] == port
        assert ask(port, "select x from t") == "42"
    finally:
        second.stop()


@needs_postgres
def test_a_wanted_port_that_is_taken_is_told(
    made: services.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LINGER_SECONDS", 0.2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Failed, match=f"port {port} is taken") as taken:
            made.start({"db": {**POSTGRES, "ports": [f"{port}:5432"]}}, None)
    assert taken.value.code == "port-taken"


@needs_postgres
def test_a_wanted_port_is_used_and_another_version_is_said(made: services.Services) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {"db": {**POSTGRES, "image": "postgres:9-alpine", "ports": [f"{port}:5432"]}}
    assert made.start(given, None)["db"]["ports"] == {"5432": str(port)}
    assert ask(str(port), "select 7") == "7"
    said = made._hands.lines  # type: ignore[attr-defined]
    assert any("postgres:9-alpine is asked for" in line for line in said)


@needs_postgres
def test_what_fails_to_start_says_why_and_leaves_nothing(made: services.Services) -> None:
    env = {**POSTGRES["env"], "POSTGRES_INITDB_ARGS": "--no-such-flag"}
    with pytest.raises(Failed) as failed:
        made.start({"db": {**POSTGRES, "env": env}}, None)
    assert failed.value.code == "service-failed"
    assert "no-such-flag" in failed.value.why
    assert list(made._folder.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"q": {"image": "rabbitmq:3"}}, "rabbitmq:3"),
        ({"q": {"image": "postgis/postgis:15"}}, "postgis"),
        ({"q": {"image": "ghcr.io/me/postgres:15"}}, "ghcr.io"),
        ({"q": {**POSTGRES, "volumes": ["/a:/b"]}}, "volumes"),
        ({"q": {**POSTGRES, "options": "--privileged"}}, "--privileged"),
        ({"q": {"image": "postgres:15"}}, "POSTGRES_PASSWORD"),
        ({"q": {**POSTGRES, "command": "x"}}, "command"),
        ({"q": {**POSTGRES, "ports": ["5432/udp"]}}, "5432/udp"),
        ({"q": {**POSTGRES, "ports": ["99999"]}}, "99999"),
        ({"q": {**POSTGRES, "credentials": {"username": "x"}}}, "credentials"),
        ({"q": ["postgres"]}, "postgres"),
    ],
)
def test_what_cannot_be_is_refused_before_the_run(given: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as refused:
        check(given)
    assert says in str(refused.value)


def test_a_server_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(native, "_PLACES", ())
    for image, name in (("postgres:15", "PostgreSQL"), ("redis:7", "Redis")):
        with pytest.raises(Refused, match=name) as refused:
            check({"x": {**POSTGRES, "image": image}})
        assert refused.value.code == "no-server"


def test_a_job_in_a_container_is_refused() -> None:
    with pytest.raises(Refused, match="podman is not installed here") as refused:
        check({}, {"image": "node:20"})
    assert refused.value.code == "no-podman"
    assert refused.value.next.startswith("apt-get install podman")
    with pytest.raises(Refused, match="podman"):
        check({}, "${{ matrix.image }}")


def test_a_service_beside_a_container_needs_a_container_too() -> None:
    with pytest.raises(Refused, match="podman"):
        check({"db": POSTGRES}, "node:20")


def test_templates_wait_until_they_are_filled() -> None:
    check({"x": {"image": "${{ matrix.image }}"}})
    check({"x": {"image": ""}})
    assert wishes({"x": {"image": ""}}) == ()


@pytest.mark.parametrize(
    ("image", "kind", "major"),
    [
        ("postgres", "postgres", ""),
        ("postgres:15-alpine", "postgres", "15"),
        ("docker.io/library/postgres:16.2", "postgres", "16"),
        ("public.ecr.aws/docker/library/redis:7", "redis", "7"),
        ("postgres@sha256:" + "0" * 64, "postgres", ""),
        ("redis:alpine", "redis", ""),
        ("me/redis", "", ""),
        ("postgres-exporter:1", "", "1"),
    ],
)
def test_images_by_name(image: str, kind: str, major: str) -> None:
    (wish,) = wishes({"x": image})
    assert (wish.kind, wish.major) == (kind, major)


def test_health_options_need_no_container() -> None:
    words = ("--health-cmd", "pg_isready", "--health-interval=10s", "--health-retries", "5")
    assert native_fault(Wish("x", "postgres", options=words)) == ""


def test_redis_answers(tmp_path: Path) -> None:
    """The part that waits, against a server that speaks enough; Redis itself if it is there."""
    script = (
        "import socket, sys\n"
        "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "c, _ = s.accept(); c.recv(9); c.sendall(b'+PONG\\r\\n')\n"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with subprocess.Popen([sys.executable, "-c", script, port]) as server:
        argv = ["/bin/bash", "-c", native._PING, "ping", port]
        assert subprocess.run(argv, check=False, timeout=120).returncode == 0
        server.wait(30)


@needs_redis
@pytest.mark.seed("S-026")
def test_redis_with_the_password_of_its_command(made: services.Services, tmp_path: Path) -> None:
    word = 'pass "word\\ ü'
    given = {
        "kv": {"image": "redis:7", "command": f"redis-server --requirepass {shlex.quote(word)}"}
    }
    check(given)
    port = made.start(given, None)["kv"]["ports"]["6379"]
    assert redis(port, "", "ping").startswith("NOAUTH")
    assert redis(port, word, "ping") == "PONG"
    made.stop()
    assert not is_open(int(port))


def redis(port: str, password: str, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], **({"REDISCLI_AUTH": password} if password else {})}
    argv = ["redis-cli", "-p", port, *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stdout.strip()


@needs_redis
@pytest.mark.parametrize(
    "command", ["redis-server --loadmodule x", "sh -c id", "redis-server --save"]
)
def test_what_redis_cannot_be_told_here_is_refused(command: str) -> None:
    with pytest.raises(Refused, match="command"):
        check({"kv": {"image": "redis:7", "command": command}})
