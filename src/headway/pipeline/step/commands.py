"""Workflow commands: lines of a step's output that begin with `::`. Pure; called by job runners.

Format and names: GitHub's documentation, "Workflow commands for GitHub Actions". A `Listener` hears
the lines of one step in order and says what each of them is.
"""

from dataclasses import field

from headway.model.job import Annotation, Level
from headway.record import dataclass

_LEVELS: dict[str, Level] = {"error": "error", "warning": "warning", "notice": "notice"}
_REPLACED = {
    "set-output": "GITHUB_OUTPUT",
    "save-state": "GITHUB_STATE",
    "set-env": "GITHUB_ENV",
    "add-path": "GITHUB_PATH",
}
_UNHEARD = ("add-matcher", "remove-matcher")
_KNOWN = {"group", "endgroup", "debug", "add-mask", "stop-commands", "echo"}
MAX_ANNOTATIONS = 100
MAX_GROUPS = 32


@dataclass(frozen=True, slots=True)
class Command:
    """`::name key=value,…::value`, unescaped. Names are lower case."""

    name: str
    properties: dict[str, str]
    value: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What one line is. `text` None: it is not shown. `stored`: as it stands in the log.

    `mask` is a text that must never be shown from this line on.
    """

    text: str | None
    stored: str = ""
    level: str = ""
    group: int = 0
    annotation: Annotation | None = None
    mask: str = ""


def parse(line: str) -> Command | None:
    """The command that a line is, or None for any other text."""
    stripped = line.lstrip()
    end = stripped.find("::", 2)
    if not stripped.startswith("::") or end < 0:
        return None
    name, _, rest = stripped[2:end].partition(" ")
    if not name:
        return None
    pairs = (pair.partition("=") for pair in rest.split(",") if "=" in pair)
    properties = {key.strip().lower(): _property(value) for key, _, value in pairs}
    return Command(name.lower(), properties, _data(stripped[end + 2 :]))


def _data(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def _property(text: str) -> str:
    return _data(text.replace("%3A", ":").replace("%2C", ","))


@dataclass(slots=True)
class Listener:
    """The lines of one step, heard in order. `debug`: whether debug lines are shown."""

    debug: bool = False
    _groups: int = 0
    _echo: bool = False
    _stopped: str = ""
    annotations: list[Annotation] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many groups are open now."""
        return self._groups

    def resume(self) -> None:
        """A new process begins: what the last one stopped is heard again."""
        self._stopped = ""

    def hear(self, line: str) -> Heard:
        """What this line is, and what follows from it."""
        command = parse(line)
        if self._stopped:
            if command and command.name == self._stopped:
                self._stopped = ""
                return Heard(None)
            return self._plain(line)
        if command is None:
            return self._plain(line)
        heard = self._obey(command, line)
        if heard.text is None and self._echo and command.name not in ("echo", "add-mask"):
            return self._plain(line)
        return heard

    def _plain(self, line: str) -> Heard:
        return Heard(line, line, "", self._groups)

    def _obey(self, command: Command, line: str) -> Heard:
        match command.name:
            case "group":
                return self._open(command.value)
            case "endgroup":
                self._groups = max(0, self._groups - 1)
                return Heard(None, "##[endgroup]")
            case "error" | "warning" | "notice":
                return self._annotate(_annotation(command))
            case "debug":
                shown = command.value if self.debug else None
                return Heard(shown, f"##[debug]{command.value}", "debug", self._groups)
            case "add-mask":
                return Heard(None, mask=command.value)
            case "stop-commands":
                return self._stop(command.value, line)
            case "echo":
                self._echo = command.value.strip().lower() == "on"
                return Heard(None)
        return self._unknown(command, line)

    def _open(self, title: str) -> Heard:
        heard = Heard(title, f"##[group]{title}", "group", self._groups)
        self._groups = min(MAX_GROUPS, self._groups + 1)
        return heard

    def _annotate(self, found: Annotation) -> Heard:
        if len(self.annotations) < MAX_ANNOTATIONS:
            self.annotations.append(found)
        stored = f"##[{found.level}]{found.message}"
        return Heard(found.message, stored, found.level, self._groups, found)

    def _stop(self, token: str, line: str) -> Heard:
        if token.strip() and token.lower() not in _KNOWN | set(_LEVELS):
            self._stopped = token.lower()
        return self._plain(line)

    def _unknown(self, command: Command, line: str) -> Heard:
        if command.name in _REPLACED:
            file = _REPLACED[command.name]
            said = f"::{command.name}:: does nothing; write to the file that ${file} names"
            return self._annotate(Annotation("error", said, title="old command"))
        return Heard(None) if command.name in _UNHEARD else self._plain(line)


def _annotation(command: Command) -> Annotation:
    said = command.properties
    return Annotation(
        _LEVELS[command.name],
        command.value,
        said.get("file", ""),
        _number(said.get("line", "")),
        _number(said.get("col", "")),
        said.get("title", ""),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
