"""Docker actions and services through podman, where it is installed. Called by find and services.

The flags that work without a system service and with hybrid control groups are those of services.
"""

import hashlib
import os
import shutil

from headway import expression
from headway.adapters.linux.actions.acting import Acting, Direct, Part
from headway.adapters.linux.actions.javascript import Folder, environment, script_path
from headway.adapters.linux.actions.room import Room
from headway.adapters.linux.actions.service_images import Wish
from headway.model.errors import Failed, Refused
from headway.pipeline.syntax.ir import Action

_LIMITS = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096")
_INSIDE = "/github/workspace"


def has_podman() -> str:
    """Where podman is, or empty."""
    return shutil.which("podman", path=os.environ.get("PATH") or os.defpath) or ""


def podman(what: str) -> list[str]:
    """How podman is called. Raises Refused (`no-podman`)."""
    path = os.environ.get("PATH") or os.defpath
    found = has_podman()
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


def run_service(wish: Wish, ports: dict[int, int], room: Room) -> str:
    """Start a service's container and wait until its ports answer; gives its name.

    `ports`: inside to outside. Raises Failed (`service-failed`), Refused (`no-podman`).
    """
    call = podman(f"the service `{wish.name}`")
    name = f"headway-{hashlib.sha256(str(room.folder).encode()).hexdigest()[:20]}"
    publish = [f"--publish=127.0.0.1:{outside}:{inside}" for inside, outside in ports.items()]
    variables = [flag for each in sorted(wish.env) for flag in ("--env", each)]
    volumes = [flag for each in wish.volumes for flag in ("--volume", each)]
    flags = ["run", "--detach", "--rm", "--replace", "--name", name, *_LIMITS]
    argv = [*call, *flags, *publish, *variables, *volumes, *wish.options, wish.image]
    code = room.run(argv, wish.env)
    waits = [str(port) for port in ports.values()]
    code = code or room.run(["/bin/bash", "-c", _ANSWER, "wait", *waits])
    healthy = any(word.startswith("--health-cmd") for word in wish.options)
    if healthy and not code:
        asked = [*call, "healthcheck", "run", name]
        code = room.run(["/bin/bash", "-c", _HEALTHY, "wait", *asked])
    if code:
        room.run([*call, "logs", "--tail", "20", name])
        stop_service(name, room)
        raise Failed(f"the service `{wish.name}` did not start", code="service-failed")
    return name


def stop_service(name: str, room: Room) -> None:
    """Stop the container and forget it."""
    room.run([*podman(name), "rm", "--force", "--ignore", "--time", "1", name])


_ANSWER = """\
for port; do
    for _ in $(seq 600); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue 2; fi
        sleep 0.1
    done
    exit 1
done
"""
_HEALTHY = """\
for _ in $(seq 120); do
    if "$@" >/dev/null 2>&1; then exit 0; fi
    sleep 0.5
done
exit 1
"""
