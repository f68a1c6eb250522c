"""A small service whose workflow is of the shape of the field's best-known guide.

Build, tests with a database, staging, end-to-end tests, production; with declared substitutes for
what is not here, each of which does the real thing in small: a cluster that serves what it is told
to run, a registry that keeps what is pushed. Used by tests/e2e/test_guide_workflow.py.
"""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

WORKFLOW = """\
name: Shop
on:
  push:
    branches: [main]
env:
  REGISTRY: registry.example.org
  IMAGE: ${{ github.repository }}
jobs:
  build:
    runs-on: ubuntu-latest
    outputs:
      image: ${{ steps.image.outputs.digest }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - name: Dependencies
        run: pip install -r requirements.txt -r requirements-dev.txt
      - name: Unit tests
        run: pytest tests/unit --cov=src --cov-fail-under=80
      - name: Image
        id: image
        uses: docker/build-push-action@v5
        with:
          context: .
          push: true
          tags: ${{ env.REGISTRY }}/${{ env.IMAGE }}:${{ github.sha }}
  integration:
    needs: build
    runs-on: ubuntu-latest
    services:
      database:
        image: postgres:16
        env: {POSTGRES_PASSWORD: shop}
        ports: [5432]
    steps:
      - uses: actions/checkout@v4
      - run: pytest tests/integration
        env:
          DATABASE_URL: >-
            postgresql://postgres:shop@localhost:${{ job.services.database.ports['5432'] }}/shop
  staging:
    needs: [build, integration]
    runs-on: ubuntu-latest
    environment: staging
    steps:
      - run: kubectl set image deployment/app app="$REGISTRY/$IMAGE:$GITHUB_SHA" --namespace=staging
      - run: kubectl rollout status deployment/app -n staging --timeout=60s
      - run: ./scripts/smoke-tests.sh https://staging.example.com
  e2e:
    needs: staging
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: cypress-io/github-action@v6
        with: {config: "baseUrl=https://staging.example.com"}
  production:
    needs: e2e
    runs-on: ubuntu-latest
    environment: production
    steps:
      - run: |
          kubectl set image deployment/app \\
            app="$REGISTRY/$IMAGE:$GITHUB_SHA" --namespace=production
      - run: kubectl rollout status deployment/app -n production --timeout=60s
      - run: ./scripts/smoke-tests.sh https://example.com
      - run: |
          curl -X POST "$HOOK" -d '{"text": "Deployed ${{ github.sha }} to production"}'
        env:
          HOOK: ${{ secrets.SLACK_WEBHOOK }}
"""
HEADWAY = """\
service: shop
run: ./shop --port $PORT
environments:
  staging: {}
  production:
    gates: {approval: {count: 1}}
"""
SUBSTITUTES = """\
actions:
  actions/setup-python@v5: ./ci/setup-python
  docker/build-push-action@v5: ./ci/build-push
  cypress-io/github-action@v6: ./ci/cypress
tools:
  curl: ci/curl
  kubectl: ci/kubectl
  pip: ci/pip
  pytest: ci/pytest
files:
  scripts/smoke-tests.sh: scripts/smoke-tests.sh
"""
ACTIONS = {
    "setup-python": """\
name: Any Python
description: The interpreter that is here
inputs: {python-version: {description: Wanted}}
runs:
  using: composite
  steps:
    - shell: bash
      run: echo "wanted ${{ inputs.python-version }}, here $(python3 --version)"
""",
    "build-push": """\
name: Pack and keep
description: Packs the context and keeps it under its tag
inputs:
  context: {description: Folder, default: .}
  push: {description: Whether to keep it, default: "false"}
  tags: {description: Its name}
outputs:
  digest: {description: Its checksum, value: "${{ steps.pack.outputs.digest }}"}
runs:
  using: composite
  steps:
    - id: pack
      shell: bash
      env: {CONTEXT: "${{ inputs.context }}", TAG: "${{ inputs.tags }}"}
      run: |
        place="@WORLD@/registry/${TAG//[\\/:]/_}"
        mkdir -p "@WORLD@/registry"
        tar --sort=name --mtime=@0 --exclude=.git -C "$CONTEXT" -cf "$place" .
        digest="sha256:$(sha256sum "$place" | cut -d' ' -f1)"
        echo "digest=$digest" >> "$GITHUB_OUTPUT"
        echo "kept $TAG as $digest"
    - if: inputs.push != 'true'
      shell: bash
      run: echo "it was not to be pushed"; exit 1
""",
    "cypress": """\
name: End to end
description: Asks the address for what a user would see
inputs: {config: {description: "baseUrl=URL"}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {CONFIG: "${{ inputs.config }}"}
      run: |
        seen="$(curl -fsS "${CONFIG#baseUrl=}/")"
        echo "seen $seen"
        grep -q ":$GITHUB_SHA\\"" <<< "$seen"
        grep -q '"price": 120' <<< "$seen"
""",
}
KUBECTL = """\
#!/bin/bash
# set image deployment/app app=IMAGE --namespace=NS | rollout status deployment/app -n NS …
set -euo pipefail
image="" namespace=""
while [ $# -gt 0 ]; do
  case "$1" in
    app=*) image="${1#app=}" ;;
    --namespace=*) namespace="${1#--namespace=}" ;;
    -n) namespace="$2"; shift ;;
  esac
  shift
done
place="@WORLD@/cluster/$namespace"
if [ -n "$image" ]; then
  test -f "@WORLD@/registry/${image//[\\/:]/_}" || { echo "ErrImagePull: $image" >&2; exit 1; }
  mkdir -p "$place" && echo "$image" > "$place/image"
  echo "deployment.apps/app image updated"
else
  test -s "$place/image"
  echo 'deployment "app" successfully rolled out'
fi
"""
CURL = """\
#!/bin/bash
# The names of the guide's world, where they are here.
set -euo pipefail
words=()
for word in "$@"; do
  word="${word/#https:\\/\\/staging.example.com/http://127.0.0.1:@STAGING@}"
  words+=("${word/#https:\\/\\/example.com/http://127.0.0.1:@PRODUCTION@}")
done
exec /usr/bin/curl "${words[@]}"
"""
PIP = """\
#!@PYTHON@
# No index here: what is required must be installed in this interpreter already.
import importlib.util, pathlib, re, sys
files = [b for a, b in zip(sys.argv, sys.argv[1:]) if a == "-r"]
assert sys.argv[1] == "install" and files, sys.argv
for line in "\\n".join(pathlib.Path(f).read_text() for f in files).split():
    name = re.split(r"[^A-Za-z0-9_-]", line)[0]
    if importlib.util.find_spec({"pytest-cov": "trace"}.get(name, name)) is None:
        sys.exit(f"no {name} here")
    print("Requirement already satisfied:", name)
"""
PYTEST = """\
#!@PYTHON@
# pytest with the two options of pytest-cov that the workflow uses.
import pathlib, sys, pytest
options = dict(w[2:].split("=") for w in sys.argv[1:] if w.startswith("--cov"))
words = [w for w in sys.argv[1:] if not w.startswith("--cov")]
top = pathlib.Path(options.get("cov", "src")).resolve()
ran = set()
def trace(frame, event, _arg):
    if not frame.f_code.co_filename.startswith(f"{top}/"):
        return None
    ran.add((frame.f_code.co_filename, frame.f_lineno))
    return trace
def lines(code):
    yield from (n for _, _, n in code.co_lines() if n)
    for inner in code.co_consts:
        if hasattr(inner, "co_lines"):
            yield from lines(inner)
sys.path.insert(0, ".")
sys.settrace(trace)
code = pytest.main([*words, "-q", "-p", "no:cacheprovider"])
sys.settrace(None)
if code or "cov" not in options:
    sys.exit(code)
known = {(str(f), n) for f in top.rglob("*.py") for n in lines(compile(f.read_text(), f, "exec"))}
share = 100 * len(known & ran) / len(known)
print(f"coverage {share:.0f} %")
sys.exit(share < float(options.get("cov-fail-under", 0)))
"""
SMOKE = """\
#!/bin/sh
# Is the commit of this run what answers there?
set -eu
curl -fsS "$1/health" | grep -q ":$GITHUB_SHA"
echo "$1 serves $GITHUB_SHA"
"""
FILES = {
    "headway.yaml": HEADWAY,
    "headway.substitutes.yaml": SUBSTITUTES,
    "requirements.txt": "psycopg>=3\n",
    "requirements-dev.txt": "pytest>=8\npytest-cov\n",
    "src/__init__.py": "",
    "src/price.py": 'def price(net: int) -> int:\n    """With tax."""\n    return net * 6 // 5\n',
    "tests/unit/test_price_here.py": (
        "from src.price import price\n\ndef test_tax():\n    assert price(100) == 120\n"
    ),
    "tests/integration/test_orders_here.py": """\
import os, psycopg
from urllib.parse import urlsplit

def test_an_order_is_kept():
    url = os.environ["DATABASE_URL"]
    name = urlsplit(url).path[1:]
    with psycopg.connect(url.removesuffix(name) + "postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(url) as shop:
        shop.execute("CREATE TABLE orders (total integer)")
        shop.execute("INSERT INTO orders VALUES (120)")
        assert shop.execute("SELECT total FROM orders").fetchone() == (120,)
""",
    "scripts/smoke-tests.sh": SMOKE,
    "ci/curl": CURL,
    "ci/kubectl": KUBECTL,
    "ci/pip": PIP,
    "ci/pytest": PYTEST,
    **{f"ci/{name}/action.yml": text for name, text in ACTIONS.items()},
}


@dataclass
class World:
    """What the substitutes stand for: a cluster, a registry, a chat (`told`: what it heard)."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def runs(self, namespace: str) -> str:
        """The image that the namespace runs, or empty."""
        file = self.folder / "cluster" / namespace / "image"
        return file.read_text().strip() if file.is_file() else ""

    def pushed(self) -> list[str]:
        """Names of what the registry keeps."""
        place = self.folder / "registry"
        return sorted(p.name for p in place.iterdir()) if place.is_dir() else []


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """The cluster's two namespaces and the chat answer at ports of this machine."""
    made = World(folder)
    servers = [_server(made, name) for name in ("staging", "production", "chat")]
    threads = [threading.Thread(target=s.serve_forever, daemon=True) for s in servers]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _server(made: World, name: str) -> http.server.ThreadingHTTPServer:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            image = made.runs(name)
            body = json.dumps({"image": image, "price": 120}).encode()
            self.send_response(200 if image else 503)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            made.told.append(self.rfile.read(size).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.ports[name] = server.server_address[1]
    return server


def repository(folder: Path, made: World, workflow: str = WORKFLOW) -> str:
    """The service's repository with that workflow; gives its commit."""
    known = {
        "@WORLD@": str(made.folder),
        "@PYTHON@": sys.executable,
        "@STAGING@": str(made.ports["staging"]),
        "@PRODUCTION@": str(made.ports["production"]),
    }
    for name, text in {**FILES, ".github/workflows/cd.yml": workflow}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if name.endswith("cd.yml") else _filled(text, known))
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-qm", "Shop")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True)
    return told.stdout.decode().strip()


def _filled(text: str, known: dict[str, str]) -> str:
    for word, value in known.items():
        text = text.replace(word, value)
    return text


def path_without(program: str, scratch: Path) -> str:
    """PATH as it is, but for one program."""
    kept = []
    for number, place in enumerate(os.environ["PATH"].split(os.pathsep)):
        if not (Path(place) / program).exists():
            kept.append(place)
            continue
        mirror = scratch / str(number)
        mirror.mkdir(parents=True)
        for entry in Path(place).iterdir():
            if entry.name != program:
                (mirror / entry.name).symlink_to(entry)
        kept.append(str(mirror))
    assert shutil.which(program, path=os.pathsep.join(kept)) is None
    return os.pathsep.join(kept)
