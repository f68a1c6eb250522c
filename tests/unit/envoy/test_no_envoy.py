"""Where there is no Envoy, one clear error says so, before anything is started."""

import sys

import pytest

from headway.adapters.envoy.router import EnvoyRouter
from headway.model.errors import Failed
from headway.model.routing import Backend, Endpoint, Routing


def test_a_platform_without_the_wheel_is_told_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "envoy", None)  # what an import of an absent package does
    backend = Backend("v1", (Endpoint("127.0.0.1", 9),))
    with pytest.raises(Failed) as failure:
        EnvoyRouter(tmp_path).set(Routing("shop", "dev", 1, (backend,), {"v1": 1.0}))
    assert failure.value.code == "no-envoy"
    for word in ("Linux", "glibc >= 2.31", "x86_64", "aarch64"):
        assert word in failure.value.why
    assert not (tmp_path / "envoy" / "dev" / "bootstrap.yaml").exists()
