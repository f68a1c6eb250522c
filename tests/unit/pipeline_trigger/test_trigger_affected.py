"""Which changes affect a service."""

import pytest

from headway.pipeline.trigger.affected import because


@pytest.mark.parametrize(
    ("changed", "watched", "told"),
    [
        (("svc/a/app.py",), ("svc/a",), "svc/a/app.py changed"),
        (("svc/ab/app.py", "svc/b"), ("svc/a",), ""),
        (("svc/a",), ("svc/a",), "svc/a changed"),
        (("libs/x", "svc/b/y"), ("svc/a", "libs"), "libs/x changed"),
        ((), ("svc/a",), ""),
        (None, ("svc/a",), "what changed is not known"),
        (("README.md",), ("",), "README.md changed"),
        (("api.proto",), ("api.proto",), "api.proto changed"),
    ],
)
def test_because(changed: tuple[str, ...] | None, watched: tuple[str, ...], told: str) -> None:
    assert because(changed, watched) == told
