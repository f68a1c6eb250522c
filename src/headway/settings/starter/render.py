"""The texts of a first headway.yaml and its workflow. Called by cli/init.

Both are read back by the readers that will read them later, before anybody writes a file.
"""

import json
import re
from dataclasses import dataclass

from headway import document
from headway.model.errors import Invalid
from headway.pipeline.syntax import reader
from headway.settings.reading import NAME, read
from headway.settings.starter.kits import Kit

WORKFLOW = ".github/workflows/deliver.yml"
_COPY = "mkdir -p release\ntar --exclude=./release --exclude=./.git -cf - . | tar -xf - -C release"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Starter:
    """The two texts, and the name they give the service."""

    service: str
    settings: str
    workflow: str


def render(kit: Kit, folder: str, branch: str) -> Starter:
    """The texts for a kit found in a folder of that name, on that branch.

    Raises Invalid if something found there cannot be said in these files (a template in a command).
    """
    starter = Starter(_service(folder), _settings(kit, _service(folder), branch), "")
    starter = Starter(starter.service, starter.settings, _workflow(kit, branch))
    read(starter.settings, NAME)
    reader.read(starter.workflow, WORKFLOW)
    return starter


def _service(folder: str) -> str:
    """The folder's name as a service's, or `service` if nothing of it is left."""
    words = re.sub("[^a-z0-9]+", "-", folder.lower()).lstrip("0123456789-")[:40].rstrip("-")
    return words if _NAME.fullmatch(words) else "service"


def _settings(kit: Kit, service: str, branch: str) -> str:
    lines = [f"service: {service}"]
    if branch != "main":
        lines.append(f"pipeline: {{branch: {json.dumps(branch)}}}")
    lines += [
        f"run: {_scalar(kit.run)}",
        f"health: {kit.health}",
        "environments:                 # the order is the path of a release",
        "  staging:",
        "    run: {instances: 1}",
        "  production:                 # a canary, judged against what runs there",
        "    rollout:",
        "      strategy: canary",
        "      steps: [5%, 25%, 50%, 100%]",
    ]
    return "\n".join(lines) + "\n"


def _workflow(kit: Kit, branch: str) -> str:
    steps = (*kit.build, ("Pack", kit.pack or _COPY))
    scripts = "".join(_step(name, script) for name, script in steps)
    return f"""\
name: deliver
on:
  push:
    branches: [{json.dumps(branch) if branch != "main" else branch}]
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
{scripts}\
      - uses: actions/upload-artifact@v4
        with:
          name: release
          path: release
          include-hidden-files: true
"""


def _step(name: str, script: str) -> str:
    lines = "".join(f"          {line}\n" for line in script.split("\n"))
    return f"      - name: {name}\n        run: |\n{lines}"


def _scalar(text: str) -> str:
    """The text as YAML: bare where that reads the same, else between double quotes."""
    try:
        bare = document.plain(document.read(f"a: {text}\n", NAME)) == {"a": text}
    except Invalid:
        bare = False
    return text if bare else json.dumps(text)
