"""A real Prometheus that scrapes a test's exporter each second, and servers that lie."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest


class Served:
    """An HTTP server in a thread; `answer` decides what a request gets."""

    def __init__(self, answer: "Callable[[http.server.BaseHTTPRequestHandler], None]") -> None:
        outer = self
        self.answer = answer

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def say(
    body: bytes, status: int = 200, **headers: str
) -> "Callable[[http.server.BaseHTTPRequestHandler], None]":
    """Always this answer."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response_only(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> bytes:
    """Prometheus' answer with these series."""
    result = [{"metric": labels, "values": values} for labels, values in series]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return json.dumps(answer).encode()


class Exporter(Served):
    """Counters and gauges in the text format; `lines` may be changed at any time."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.scrapes = 0
        super().__init__(self._answer)

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.scrapes += 1
        say(self.text.encode(), content_type="text/plain; version=0.0.4")(handler)


class RealPrometheus:
    """Debian's Prometheus with a data folder of its own."""

    def __init__(self, *targets: str, rules: str = "", path: str = "/metrics") -> None:
        binary = shutil.which("prometheus")
        if binary is None:
            pytest.skip("no prometheus installed")
        self._base = Path(tempfile.mkdtemp(prefix="hwpm"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        config = self._base / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            "scrape_configs:\n- job_name: test\n"
            f"  metrics_path: {path}\n"
            f"  static_configs: [{{targets: {json.dumps(list(targets))}}}]\n" + rules
        )
        self.process = subprocess.Popen(
            [binary, f"--config.file={config}", f"--storage.tsdb.path={self._base / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
            stdout=subprocess.DEVNULL, stderr=(self._base / "log").open("w"),
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/-/ready", timeout=2).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError((self._base / "log").read_text())

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(30)
        shutil.rmtree(self._base, ignore_errors=True)

    def __enter__(self) -> "RealPrometheus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def scraped(exporter: Exporter) -> Iterator[RealPrometheus]:
    """A Prometheus that scrapes the exporter."""
    with RealPrometheus(exporter.url.removeprefix("http://")) as found:
        yield found
