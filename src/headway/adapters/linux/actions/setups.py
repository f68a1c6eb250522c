"""The four setup actions: what each puts into PATH, variables and outputs. Called by builtin."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from headway.adapters.linux.actions.acting import Acting
from headway.adapters.linux.actions.installed import GO, JAVA, NODE, PYTHON, Tool
from headway.adapters.linux.actions.tools import COMMON, Setup
from headway.adapters.linux.actions.versions import shown
from headway.model.errors import Failed

_SHARED = ("/usr/bin", "/bin", "/usr/local/bin")
_COMPANIONS = ("node", "npm", "npx", "corepack", "yarn", "pnpm", "go", "gofmt", "java", "javac")
_NO_TOKEN = "XXXXX-XXXXX-XXXXX-XXXXX"  # what setup-node sets, so that npm finds a value
_LTS = {"hydrogen": "18", "iron": "20", "jod": "22", "krypton": "24"}

# A virtual environment, with the packages that come with Python itself, and nothing fetched. They
# lie beside it, so that `pip install -U pip` puts a newer one before them and changes none.
_VENV = """\
import pathlib, sys, venv
target = pathlib.Path(sys.argv[1])
venv.create(target, clear=True, symlinks=True, with_pip=False)
site = next(target.glob("lib/python3*/site-packages"))
try:
    import pip
except ImportError:
    sys.exit(f"{sys.executable} has no pip: the job has Python without it")
wanted = ["pip"]
if sys.version_info < (3, 12):
    wanted += ["setuptools", "pkg_resources", "_distutils_hack"]
there = pathlib.Path(pip.__file__).parent.parent
beside = target / "share" / "python-packages"
beside.mkdir(parents=True)
for name in wanted:
    for found in [there / name, *there.glob(f"{name}-*.dist-info")]:
        if found.is_dir():
            (beside / found.name).symlink_to(found)
(site / "python-packages.pth").write_text(f"{beside}\\n")
for name in ("pip", "pip3", f"pip3.{sys.version_info[1]}"):
    script = target / "bin" / name
    script.write_text(
        f"#!{target}/bin/python\\nimport sys\\n"
        "from pip._internal.cli.main import main\\nsys.exit(main())\\n"
    )
    script.chmod(0o755)
"""


def _python(acting: Acting, tool: Tool) -> int:
    version = shown(tool.version)
    folder = acting.temp / "tools" / f"python-{version}"
    if not (folder / "bin/python").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        argv = [str(tool.program), "-I", "-c", _VENV, str(folder)]
        if acting.hands.run(argv, acting.env, acting.temp) and not (folder / "bin/python").exists():
            raise Failed(f"no environment of Python {version} can be made", code="no-tool")
    acting.outputs["python-version"] = version
    acting.outputs["python-path"] = str(folder / "bin/python")
    if acting.inputs.get("update-environment", "true") != "false":
        acting.added_path.insert(0, str(folder / "bin"))
        acting.added_env["pythonLocation"] = str(folder)
        acting.added_env["VIRTUAL_ENV"] = str(folder)
    acting.hands.say(f"Python {version} of {tool.top}, in an environment of this job")
    return 0


def _node(acting: Acting, tool: Tool) -> int:
    _use(acting, tool, "node-version", f"v{shown(tool.version)}")
    if url := acting.inputs.get("registry-url", "").strip():
        _npmrc(acting, url)
    return 0


def _go(acting: Acting, tool: Tool) -> int:
    _use(acting, tool, "go-version", shown(tool.version))
    return 0


def _java(acting: Acting, tool: Tool) -> int:
    top = str(tool.program.resolve().parent.parent)
    acting.added_env["JAVA_HOME"] = top
    acting.added_env[f"JAVA_HOME_{tool.version[0]}_X64"] = top
    acting.outputs["distribution"] = acting.inputs.get("distribution", "").strip()
    acting.outputs["path"] = top
    _use(acting, tool, "version", shown(tool.version))
    return 0


def _use(acting: Acting, tool: Tool, output: str, version: str) -> None:
    """PATH begins with the tool's own programs, and with no others."""
    program = tool.program.resolve()
    own = program.parent
    if str(own) in _SHARED:
        own = _links(acting.temp / "tools" / f"{program.name}-{version}", own)
    acting.outputs[output] = version
    acting.added_path.insert(0, str(own))
    acting.hands.say(f"{program.name} {version} of {program.parent}")


def _links(folder: Path, shared: Path) -> Path:
    """A folder with the tool's programs only: what else lies beside them must not come first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _COMPANIONS:
        if (shared / name).exists() and not (folder / name).is_symlink():
            (folder / name).symlink_to((shared / name).resolve())
    return folder


def _npmrc(acting: Acting, url: str) -> None:
    """As setup-node does: the token is read from NODE_AUTH_TOKEN when npm runs."""
    found = urlsplit(url if url.endswith("/") else f"{url}/")
    if found.scheme not in {"http", "https"} or not re.fullmatch(r"[\w.:/-]+", found.netloc):
        raise Failed(f"`registry-url: {url[:80]}` is no address", code="bad-input")
    scope = acting.inputs.get("scope", "").strip()
    prefix = f"{'' if scope.startswith('@') else '@'}{scope}:" if scope else ""
    lines = [
        f"//{found.netloc}{found.path}:_authToken=${{NODE_AUTH_TOKEN}}",
        f"{prefix}registry={found.geturl()}",
        f"always-auth={acting.inputs.get('always-auth', 'false')}",
    ]
    file = acting.temp / ".npmrc"
    file.unlink(missing_ok=True)
    with file.open("x", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    acting.added_env["NPM_CONFIG_USERCONFIG"] = str(file)
    acting.added_env["NODE_AUTH_TOKEN"] = acting.env.get("NODE_AUTH_TOKEN", _NO_TOKEN)


def _node_alias(wanted: str) -> str:
    """`lts/*`, `lts/iron`, `latest`, `current`, `node` as ranges; LTS versions are even."""
    text = wanted.strip().lower()
    if text in {"latest", "current", "node"}:
        return "*"
    if text in {"lts/*", "lts"}:
        return " || ".join(str(major) for major in range(12, 80, 2))
    return _LTS.get(text.removeprefix("lts/"), text) if text.startswith("lts/") else text


def _go_alias(wanted: str) -> str:
    return "*" if wanted.strip() in {"stable", "oldstable"} else wanted.removeprefix("go")


def _java_alias(wanted: str) -> str:
    """`1.8` is 8, `17-ea` is refused by the range's own reader, `21.0.2+13` is 21.0.2."""
    text = wanted.strip().partition("+")[0]
    return text[2:] if re.fullmatch(r"1\.[5-8](\..*)?", text) else text


def _inputs(word: str, *more: str, **fixed: str) -> dict[str, str]:
    own = (f"{word}-version", f"{word}-version-file", *more)
    return {
        **COMMON,
        **dict.fromkeys(own, "*"),
        **{k.replace("_", "-"): v for k, v in fixed.items()},
    }


SETUPS: dict[str, Setup] = {
    "actions/setup-python": Setup(
        PYTHON,
        "python",
        _inputs("python", "update-environment", "allow-prereleases", freethreaded="false"),
        _python,
        (".python-version",),
    ),
    "actions/setup-node": Setup(
        NODE,
        "node",
        _inputs("node", "registry-url", "scope", "always-auth", "package-manager-cache"),
        _node,
        alias=_node_alias,
    ),
    "actions/setup-go": Setup(GO, "go", _inputs("go"), _go, alias=_go_alias),
    "actions/setup-java": Setup(
        JAVA,
        "java",
        _inputs("java", "distribution", java_package="jdk", overwrite_settings="*"),
        _java,
        alias=_java_alias,
    ),
}


def tool_cache(home: Path) -> Path:
    """Where this machine's own tools may be put: HOME/tools, `runner.tool_cache`."""
    return home / "tools"
