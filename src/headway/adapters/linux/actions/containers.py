"""Docker actions through podman, where it is installed. Called by find.

The flags that work without a system service and with hybrid control groups are those of services.
"""

import hashlib
import os
import shutil

from headway import expression
from headway.adapters.linux.actions.acting import Acting, Direct, Part
from headway.adapters.linux.actions.javascript import Folder, environment, script_path
from headway.model.errors import Refused
from headway.pipeline.syntax.ir import Action

_LIMITS = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096")
_INSIDE = "/github/workspace"


def podman(what: str) -> list[str]:
    """How podman is called. Raises Refused (`no-podman`)."""
    path = os.environ.get("PATH") or os.defpath
    found = shutil.which("podman", path=path)
    if not found:
        raise Refused(
            f"{what} needs a container, and podman is not installed here",
            next="install podman and runc, or run it where they are",
            code="no-podman",
        )
    runtime = shutil.which("runc", path=path)
    return [found, *(["--runtime", runtime] if runtime else [])]


def docker(action: Action, folder: Folder) -> Direct:
    """An action with `using: docker`. Raises Refused (`no-podman`)."""
    call = podman(f"the Docker action {action.file}")

    def part(entrypoint: str) -> Part:
        def run(acting: Acting) -> int:
            image, code = _image(call, action, folder, acting)
            if code:
                return code
            argv = [*call, *_run_flags(acting), *_entry(entrypoint), image, *_args(action, acting)]
            return acting.hands.run(argv, environment(acting), acting.checkout)

        return run

    return Direct(
        part(action.entrypoint),
        part(action.pre) if action.pre else None,
        part(action.post) if action.post else None,
        action.pre_if or "always()",
        action.post_if or "always()",
        action,
    )


def of_image(image: str) -> Direct:
    """`uses: docker://IMAGE`; `with` may have `args` and `entrypoint`. Raises Refused."""
    call = podman(f"docker://{image}")

    def run(acting: Acting) -> int:
        entry = _entry(acting.inputs.get("entrypoint", ""))
        args = acting.inputs.get("args", "").split()
        argv = [*call, *_run_flags(acting), *entry, image, *args]
        return acting.hands.run(argv, environment(acting), acting.checkout)

    return Direct(run)


def _image(call: list[str], action: Action, folder: Folder, acting: Acting) -> tuple[str, int]:
    """The image's name, built if it must be; and the exit code of building it."""
    if action.image.startswith("docker://"):
        return action.image.removeprefix("docker://"), 0
    where = folder(acting)
    file = script_path(where, action.image)
    name = f"localhost/headway-{hashlib.sha256(str(file).encode()).hexdigest()[:20]}"
    argv = [*call, "build", "--tag", name, "--file", str(file), str(where)]
    return name, acting.hands.run(argv, acting.env, acting.checkout)


def _run_flags(acting: Acting) -> list[str]:
    """Volumes at the same paths as outside, so that the files named in variables are found."""
    shared = {str(path) for path in (acting.checkout, acting.temp, acting.files)}
    volumes = [flag for path in sorted(shared) for flag in ("--volume", f"{path}:{path}")]
    names = sorted(name for name in environment(acting) if name not in {"PATH", "HOME"})
    variables = [flag for name in names for flag in ("--env", name)]
    network = () if acting.order.network else ("--network", "none")
    return [
        *("run", "--rm", "--init", *_LIMITS, *network, "--workdir", _INSIDE),
        *("--volume", f"{acting.checkout}:{_INSIDE}", *volumes, *variables),
    ]


def _entry(entrypoint: str) -> list[str]:
    return ["--entrypoint", entrypoint] if entrypoint else []


def _args(action: Action, acting: Acting) -> list[str]:
    contexts = {**acting.order.contexts, "inputs": dict(acting.inputs), "env": dict(acting.env)}
    scope = expression.Scope(contexts, {})
    return [expression.fill(text.text, scope) for text in action.args]
