"""Docker actions, and `uses: docker://…`: each is a container that is there as long as it runs.

Called by find. Variables that name places are those of the public documentation ("Docker container
filesystem": /github/workspace and its like); the places are also where they are outside.
"""

import hashlib
import shlex
from collections.abc import Mapping

from headway import expression
from headway.adapters.linux.actions.acting import Acting, Direct, Part
from headway.adapters.linux.actions.engine import refusal
from headway.adapters.linux.actions.javascript import Folder, environment, script_path
from headway.adapters.linux.actions.job_container import variables
from headway.adapters.linux.actions.pod import Pod
from headway.model.errors import Invalid
from headway.model.job import JobOrder
from headway.pipeline.syntax.ir import Action

WORKSPACE = "/github/workspace"
_LABEL = "headway.action"
_OF_THE_MACHINE = {"PATH", "LANG", "TMPDIR"}
_NAMING = ("GITHUB_", "RUNNER_")
_WRITTEN = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")


def docker(action: Action, folder: Folder, order: JobOrder) -> Direct:
    """An action with `using: docker`. Raises Refused (`no-podman`)."""
    _check(f"the Docker action {action.file}", order)

    def part(entrypoint: str) -> Part:
        def run(acting: Acting) -> int:
            pod = _opened(acting)
            own = _filled(action, acting)
            image, code = _image(action, folder, acting, pod)
            words = [_fill(text.text, acting) for text in action.args]
            entry = acting.inputs.get("entrypoint") or entrypoint
            if given := acting.inputs.get("args"):
                words = _words(given)
            return code or _run(acting, pod, own, [*_entry(entry), image, *words])

        return run

    return Direct(
        part(action.entrypoint),
        part(action.pre) if action.pre else None,
        part(action.post) if action.post else None,
        action.pre_if or "always()",
        action.post_if or "always()",
        action,
    )


def of_image(image: str, order: JobOrder) -> Direct:
    """`uses: docker://IMAGE`; `with` may have `args` and `entrypoint`. Raises Refused."""
    _check(f"docker://{image}", order)

    def run(acting: Acting) -> int:
        pod = _opened(acting)
        found = pod.image(image, acting.hands).id
        words = _words(acting.inputs.get("args", ""))
        entry = _entry(acting.inputs.get("entrypoint", ""))
        return _run(acting, pod, {}, [*entry, found, *words])

    return Direct(run)


def _check(what: str, order: JobOrder) -> None:
    bridged = bool(order.container or order.services)
    if lacking := refusal(what, network=order.network and bridged):
        raise lacking


def _opened(acting: Acting) -> Pod:
    pod = acting.pod() if acting.pod is not None else None
    assert isinstance(pod, Pod)
    pod.open(acting.hands, bridged=False)  # if it is not open already, with a network
    return pod


def _image(action: Action, folder: Folder, acting: Acting, pod: Pod) -> tuple[str, int]:
    """The image's name or id, built if it must be; and the exit code of building it.

    Fetched actions do not change: their images are built once and kept in the machine's store, with
    a label. Those of the workspace are built in the job's, and end with it.
    """
    if action.image.startswith("docker://"):
        return pod.image(action.image.removeprefix("docker://"), acting.hands).id, 0
    where = folder(acting)
    file = script_path(where, action.image)
    name = f"localhost/headway-{hashlib.sha256(str(file).encode()).hexdigest()[:20]}"
    made = ["--tag", name, "--file", str(file), str(where)]
    if where.resolve().is_relative_to(acting.checkout.resolve()):
        argv = pod.call("build", "--network", "host", *pod.engine.limits, *made)
        return name, acting.hands.run(argv, pod.env, acting.checkout)
    shared = pod.engine.shared()
    if acting.hands.run([*shared, "image", "exists", name], pod.env, acting.checkout) == 0:
        return name, 0
    argv = [*shared, "build", *pod.engine.limits, "--label", f"{_LABEL}=1", *made]
    return name, acting.hands.run(argv, pod.env, acting.checkout)


def _run(acting: Acting, pod: Pod, own: Mapping[str, str], words: list[str]) -> int:
    left_out = {*_OF_THE_MACHINE, *_WRITTEN}
    env = {n: v for n, v in environment(acting).items() if n not in left_out}
    places = _places(acting)
    inside = {n: _inside(n, v, places) for n, v in env.items()} | {"HOME": "/github/home"}
    flags, named = variables({**inside, **own})
    # Their values are known only to who runs this; the folder is at the same place inside.
    flags += [f"--env={name}" for name in _WRITTEN]
    outside = {str(path) for path in (acting.checkout, acting.temp, acting.files)}
    mounts = [f"--volume={path}:{path}" for path in sorted(outside)]
    mounts += [f"--volume={path}:{to}" for path, to in places.items()]
    argv = pod.call(
        *("run", "--rm", *pod.limits(), *_network(pod), "--security-opt=label=disable"),
        *("--workdir", WORKSPACE, *mounts, *flags, *words),
    )
    client = {name: value for name, value in pod.env.items() if name in {"PATH", "HOME"}}
    files = {name: value for name, value in acting.env.items() if name in _WRITTEN}
    return acting.hands.run(argv, files | named | client, acting.checkout)


def _network(pod: Pod) -> list[str]:
    """That of the job's services and container; without those, the machine's or none."""
    return ["--network", "job", *pod.hosts] if pod.bridged else ["--network", "host"]


def _places(acting: Acting) -> dict[str, str]:
    """Where the job's folders are in the container, by where they are outside."""
    home = acting.temp.parent / "home"
    home.mkdir(exist_ok=True)
    return {
        str(acting.checkout): WORKSPACE,
        str(acting.temp): "/github/runner_temp",
        str(acting.files): "/github/file_commands",
        str(home): "/github/home",
    }


def _inside(name: str, value: str, places: Mapping[str, str]) -> str:
    """A variable that names a place outside names it inside; others stay as they are."""
    if name.startswith(_NAMING):
        for path, to in places.items():
            if value == path or value.startswith(f"{path}/"):
                return to + value.removeprefix(path)
    return value


def _entry(entrypoint: str) -> list[str]:
    return ["--entrypoint", entrypoint] if entrypoint else []


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Invalid(f"`args` cannot be read: {error}", code="bad-input") from error


def _filled(action: Action, acting: Acting) -> dict[str, str]:
    """The action's own `env`."""
    return {name: _fill(text.text, acting) for name, text in action.env}


def _fill(text: str, acting: Acting) -> str:
    contexts = {**acting.order.contexts, "inputs": dict(acting.inputs), "env": dict(acting.env)}
    return expression.fill(text, expression.Scope(contexts, {}))
