"""`container:` of a job: its steps run inside one container, at the same paths as outside.

Made by aside before the first step, asked by hands for every process of a step. The workspace,
temporary files, the files behind GITHUB_ENV and fetched actions are mounted where they are outside,
so that no path needs translating; the names that the public documentation uses (/__w, /github) are
there too. Node.js of this machine is mounted with its own libraries, so that JavaScript actions run
in any image.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from headway.adapters.linux.actions.acting import Hands
from headway.adapters.linux.actions.image_options import options
from headway.adapters.linux.actions.pod import Pod, address
from headway.adapters.linux.actions.pod_scripts import END_STEP, ENTER
from headway.adapters.linux.actions.room import Room
from headway.adapters.linux.actions.service_images import Wish
from headway.model.errors import Failed

NAME = "job"
NODE = "/__e/node"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOR_THE_CLIENT = re.compile(
    r"PATH|HOME|TMPDIR|ENV|BASH_.*|SHELLOPTS|IFS|PS4|LD_.*|XDG_.*|CONTAINER.*|STORAGE_.*|REGISTR.*"
    r"|DOCKER_.*|HEADWAY_.*|DISABLE_HC_SYSTEMD|BUILDAH_.*|GODEBUG|GO(GC|MAXPROCS|MEMLIMIT)|NOTIFY_SOCKET"
)
"""What podman and the shell before it read for themselves."""
_OF_THE_MACHINE = re.compile(
    r"PATH|TMPDIR|LANG|SSL_CERT_.*|.*_CA_.*|.*_CACHE_DIR|PIP_CERT|PIP_FIND_LINKS|npm_config_cache"
    r"|npm_config_cafile|NPM_CONFIG_CACHE|NPM_CONFIG_CAFILE"
)
"""Variables of this machine that name files which are not in the container."""


@dataclass(frozen=True, slots=True)
class Places:
    """What is mounted: `own` can be written, `readable` cannot. `name` is the repository's."""

    work: Path
    checkout: Path
    home: Path
    temp: Path
    files: Path
    readable: tuple[Path, ...] = ()
    name: str = "work"


@dataclass(frozen=True, slots=True)
class Asked:
    """A container to be started. `ports`: inside to outside; `names`: the numbers (see pod.address)
    of the others by the names that it may call them.
    """

    wish: Wish
    ports: dict[int, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A container that runs. `base`: the variables that every process in it gets, in the place of
    the machine's. `id`: as podman names it; `node`: what stands for the machine's Node.js.
    """

    pod: Pod
    id: str
    base: dict[str, str]
    node: tuple[str, tuple[str, ...]] = ("", ())

    def command(
        self, argv: list[str], env: Mapping[str, str], cwd: str
    ) -> tuple[list[str], dict[str, str]]:
        """What to run outside so that this runs inside: arguments and variables."""
        if argv[0] == self.node[0]:
            argv = [*self.node[1], *argv[1:]]
        flags, named = variables(env)
        entered = self.pod.call("exec", "--workdir", cwd, *flags, NAME)
        return [*_script(ENTER), *entered, *argv], named | self._client()

    def end_step(self, hands: Hands) -> None:
        """Kill what a step that was stopped has left in the container."""
        hands.run(_script(END_STEP), self._client(), self.pod.brief)

    def _client(self) -> dict[str, str]:
        client = {name: self.pod.env[name] for name in ("PATH", "HOME") if name in self.pod.env}
        places = {"HEADWAY_BRIEF": str(self.pod.brief), "HEADWAY_STORE": str(self.pod.store)}
        return client | places


def variables(env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Flags that give the container these variables, and what podman's own process needs for that.

    Values stand in no argument, where others could read them, but for names that podman would heed.
    """
    flags: list[str] = []
    named: dict[str, str] = {}
    for name, value in sorted(env.items()):
        if _FOR_THE_CLIENT.fullmatch(name):
            flags.append(f"--env={name}={value}")
        else:
            flags.append(f"--env={name}")
            named[name] = value
    return flags, named


def hosts(names: Mapping[str, int]) -> list[str]:
    """Flags that tell a container where the others are."""
    return [f"--add-host={name}:{address(number)}" for name, number in names.items()]


def enclose(asked: "Asked", pod: Pod, room: Room, places: Places, *, trusted: bool) -> Enclosure:
    """Start the job's container. Raises Failed (`no-image`, `container-failed`, `port-taken`)."""
    wish = asked.wish
    image = pod.image(wish.image, room.hands, wish.credentials)
    node, mounted = _node(room.env.get("PATH", ""))
    flags, named = variables(wish.env)
    argv = pod.call(
        *("run", "--detach", "--name", NAME, "--network", NAME, f"--ip={address(-1)}"),
        *(*pod.limits(), "--security-opt=label=disable", *hosts(asked.names)),
        *pod.published(asked.ports),
        *_mounts(places),
        *mounted,
        *[f"--volume={volume}" for volume in wish.volumes],
        *("--workdir", str(places.checkout), *flags),
        *options(wish.options, trusted=trusted).flags,
        *("--entrypoint", "tail", image.id, "-f", "/dev/null"),
    )
    started = [*_script(_START), *argv]
    where = {"HEADWAY_BRIEF": str(pod.brief), "HEADWAY_NAME": NAME}
    if room.run(started, named | where):
        raise Failed(
            f"the container of the job did not start ({wish.image[:120]})",
            why="the image needs the program `tail`, and the options must fit",
            code="container-failed",
        )
    pod.publish(asked.ports)
    base = {n: v for n, v in room.env.items() if not _OF_THE_MACHINE.fullmatch(n)}
    base |= {"PATH": image.path or DEFAULT_PATH, "HOME": str(places.home)}
    id = (pod.brief / "id").read_text("utf-8").strip()
    return Enclosure(pod, id, base, node)


def _mounts(places: Places) -> Iterable[str]:
    """Longer ones last: a folder that is mounted may hold the place of another."""
    places.home.mkdir(parents=True, exist_ok=True)
    both = [places.work, *(() if places.temp.is_relative_to(places.work) else (places.temp,))]
    yield from (f"--volume={path}:{path}" for path in both)
    yield from (f"--volume={path}:{path}:ro" for path in places.readable if path.is_dir())
    yield f"--volume={places.checkout}:/__w/{places.name}/{places.name}"
    yield f"--volume={places.temp}:/__w/_temp"
    yield f"--volume={places.home}:/github/home"
    yield f"--volume={places.files}:/github/workflow"
    yield f"--volume={places.checkout}:/github/workspace"


def _node(path: str) -> tuple[tuple[str, tuple[str, ...]], list[str]]:
    """What to run instead of the machine's Node.js, and the mounts for it; nothing if there is
    none, or it does not tell its libraries.
    """
    node = shutil.which("node", path=path)
    files = _libraries(str(Path(node).resolve())) if node else ()
    loader = next((file for file in files if Path(file).name.startswith("ld-")), "")
    if not node or not loader:
        return ("", ()), []
    mounts = [f"--volume={file}:{NODE}/lib/{Path(file).name}:ro" for file in files]
    mounts.append(f"--volume={Path(node).resolve()}:{NODE}/bin/node:ro")
    if Path("/usr/share/nodejs").is_dir():  # where Debian keeps parts of Node.js itself
        mounts.append("--volume=/usr/share/nodejs:/usr/share/nodejs:ro")
    library = f"{NODE}/lib"
    start = (f"{library}/{Path(loader).name}", "--library-path", library, f"{NODE}/bin/node")
    return (node, start), mounts


@lru_cache(maxsize=8)
def _libraries(program: str) -> tuple[str, ...]:
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False, timeout=60)
    return tuple(dict.fromkeys(re.findall(r"(/\S+) \(0x", told.stdout)))


def _script(text: str) -> list[str]:
    return ["/bin/sh", "-c", text, "headway"]


_START = """\
cd "$HEADWAY_BRIEF"
"$@" >id || exit 1
pod="/bin/sh $HEADWAY_BRIEF/podman"
for _ in 1 2 3; do
    told=$($pod container inspect --format '{{.State.Running}} {{.State.Pid}}' "$HEADWAY_NAME")
    case "$told" in "true "*) ;; *) $pod logs --tail 20 "$HEADWAY_NAME"; exit 1 ;; esac
    sleep 0.05
done
echo "${told#true }" >first
readlink "/proc/${told#true }/ns/pid" >inside
"""
