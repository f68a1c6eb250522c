"""What `options`, volumes and names of images of containers mean, and what is refused by name."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from headway.adapters.linux.actions.image_options import NotUnderstood, options
from headway.adapters.linux.actions.job_container import variables
from headway.adapters.linux.actions.pod import Pod, qualified
from headway.adapters.linux.actions.service_container import patience
from headway.adapters.linux.actions.service_images import container
from headway.model.errors import Refused


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (("--cpus", "1"), ("--cpus=1",)),
        (("-u", "1001:1001"), ("--user=1001:1001",)),
        (("-eA=b c",), ("--env=A=b c",)),
        (("-v/a:/b",), ("--volume=/a:/b",)),
        (("--health-cmd=pg_isready -U x", "--init"), ("--health-cmd=pg_isready -U x", "--init")),
        (("--name", "db", "--restart=always"), ()),
        (("--privileged",), ("--privileged",)),
    ],
)
def test_options_that_are_understood(words: tuple[str, ...], flags: tuple[str, ...]) -> None:
    assert options(words, trusted=True).flags == flags


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--network", "host"), "the network is the job's"),
        (("--network=host",), "--network"),
        (("--entrypoint", "sh"), "--entrypoint"),
        (("-p", "80:80"), "ports"),
        (("--unheard-of",), "--unheard-of"),
        (("stray",), "stray"),
        (("--cpus",), "no value"),
        (("-",), "`-`"),
    ],
)
def test_options_that_are_refused_by_name(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(NotUnderstood, match=says):
        options(words, trusted=True)


@pytest.mark.parametrize(
    "word", ["--privileged", "--device=/dev/sda", "-v/:/host", "--cap-add=ALL"]
)
def test_a_change_from_outside_stays_in_the_container(word: str) -> None:
    with pytest.raises(NotUnderstood, match="from outside"):
        options((word,), trusted=False)


def test_aliases_are_names_in_the_network() -> None:
    assert options(("--network-alias", "kv", "--network-alias=kv2"), trusted=False).aliases == (
        "kv",
        "kv2",
    )


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ("postgres:16", "docker.io/library/postgres:16"),
        ("me/tool", "docker.io/me/tool"),
        ("ghcr.io/me/tool:1", "ghcr.io/me/tool:1"),
        ("localhost/x", "localhost/x"),
        ("host:5000/x@sha256:00", "host:5000/x@sha256:00"),
    ],
)
def test_images_get_their_registry(image: str, whole: str) -> None:
    assert qualified(image) == whole


def test_values_of_variables_are_no_arguments_but_where_podman_would_heed_them() -> None:
    flags, named = variables({"TOKEN": "s3cret", "PATH": "/bin", "CONTAINER_HOST": "x", "A": ""})
    assert flags == ["--env=A", "--env=CONTAINER_HOST=x", "--env=PATH=/bin", "--env=TOKEN"]
    assert named == {"TOKEN": "s3cret", "A": ""}


def test_a_container_is_a_name_or_a_map() -> None:
    made = container(
        {"image": "a", "ports": [80, "8080:81"], "volumes": ["v:/v", "/x:/y:ro", "/z"]}
    )
    assert made is not None
    assert made.ports == ((0, 80), (8080, 81))
    assert made.volumes == ("v:/v", "/x:/y:ro", "/z")
    assert container("node:20") == container({"image": "node:20"})
    assert container({"image": ""}) is None
    assert container(None) is None


def test_credentials_are_for_the_registry_of_the_image_alone(tmp_path: Path) -> None:
    made = container({"image": "a", "credentials": {"username": "ana", "password": "s3cret"}})
    assert made is not None
    assert made.credentials == ("ana", "s3cret")
    at = SimpleNamespace(brief=tmp_path, _secrets=[])
    file = Path(Pod._auth(at, "registry.example/a:1", made.credentials))  # type: ignore[arg-type]
    assert json.loads(file.read_text()) == {
        "auths": {"registry.example": {"auth": "YW5hOnMzY3JldA=="}}
    }
    assert file.stat().st_mode & 0o777 == 0o600
    assert at._secrets == [file]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"image": "a", "command": "x"}, "command"),
        ({"image": "a", "volumes": ["./x:/y"]}, "./x:/y"),
        ({"image": "a", "volumes": ["x"]}, "'x'"),
        ({"image": "a", "options": "'"}, "options"),
        (["a"], "a"),
    ],
)
def test_a_container_that_cannot_be_understood(given: object, says: str) -> None:
    with pytest.raises(Refused) as refused:
        container(given)
    assert says in refused.value.why


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [
        ((), 90.0),
        (("--health-cmd=x", "--health-retries=5", "--health-interval=10s"), 50.0),
        (("--health-interval=500ms", "--health-retries=4", "--health-start-period=1m30s"), 92.0),
        (("--health-interval=1ms",), 1.0),
        (("--health-interval=soon", "--health-retries=-1"), 90.0),
    ],
)
def test_how_long_a_service_may_be_unhealthy(flags: tuple[str, ...], seconds: float) -> None:
    assert patience(flags) == pytest.approx(seconds)
