"""The output of one step on its way from its pipe to the log and to whoever watches.

Called by step. Lines are cut, workflow commands heeded, secrets masked, before anything is kept or
told. Output without commands takes a fast path: a whole chunk is masked at once.
"""

import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from headway.adapters.linux.logs import LogFile
from headway.model.job import Annotation, Line
from headway.pipeline.step.commands import Heard, Listener
from headway.pipeline.step.masking import Masker

MAX_LINE = 64 * 1024
_TAIL_LINES, _TAIL_CHARS = 20, 2000
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
_COMMAND = re.compile(rb"^[ \t]*::", re.MULTILINE)


class Output:
    """Bytes in, masked lines out. Raises OSError when the log cannot be written."""

    def __init__(
        self,
        folder: Path,
        step: int,
        masker: Masker,
        told: Callable[[Line], None],
        *,
        debug: bool = False,
    ) -> None:
        self._log = LogFile(folder, step)
        self._masker = masker
        self._told = told
        self._listener = Listener(debug)
        self._rest = b""
        self._inside = False
        self._tail: deque[Line] = deque(maxlen=_TAIL_LINES)
        self.masks: list[str] = []
        if self._log.size:
            self.say("[headway: this step was interrupted, and begins again here]")

    def take(self, chunk: bytes) -> None:
        """What the step printed."""
        at = time.time()
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._rest += chunk
        else:
            block, self._rest = self._rest + chunk[:end], chunk[end:]
            self._lines(block, at)
        if len(self._rest) > MAX_LINE:
            self._cut_line(at)

    def say(self, text: str) -> None:
        """A line of the runner's or of a built-in action's own: never a command."""
        self._flush_rest()
        at = time.time()
        for line in text.split("\n"):
            self._plain(line.encode("utf-8", "replace") + b"\n", at)

    def annotate(self, annotation: Annotation) -> None:
        """What the runner itself complains of."""
        self._flush_rest()
        self._listener.annotations.append(annotation)
        heard = Heard(annotation.message, f"##[{annotation.level}]{annotation.message}")
        self._show(heard, annotation.level, time.time())

    def heed(self) -> None:
        """A process has ended: its last line is over, and commands are obeyed again."""
        self._flush_rest()
        self._listener.resume()

    def close(self) -> tuple[int, str, str]:
        """Lines, sha256 and tail of the log."""
        self._flush_rest()
        late = self._log.flush(time.time())
        for line in late.splitlines():
            self._tell(Line(time.time(), _text(line)))
        lines, digest = self._log.lines, self._log.close()
        return lines, digest, "\n".join(_printable(line.text) for line in self._tail)

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """What was said with `::error` and its like, masked."""
        clean = self._masker.text
        return tuple(
            Annotation(a.level, clean(a.message), clean(a.file), a.line, a.column, clean(a.title))
            for a in self._listener.annotations
        )

    def _lines(self, block: bytes, at: float) -> None:
        if self._inside:
            # The rest of a line that was too long is no command, whatever it begins with.
            line, _, block = block.partition(b"\n")
            self._inside = False
            self._plain(line + b"\n", at)
        if _COMMAND.search(block) is None:
            if block:
                self._plain(block, at)
            return
        plain: list[bytes] = []
        for line in block.splitlines(keepends=True) if b"\r" not in block else _split(block):
            if line.lstrip(b" \t").startswith(b"::"):
                self._plain(b"".join(plain), at)
                plain.clear()
                self._command(line, at)
            else:
                plain.append(line)
        self._plain(b"".join(plain), at)

    def _command(self, line: bytes, at: float) -> None:
        heard = self._listener.hear(_text(line))
        if heard.mask.strip():
            self.masks.append(heard.mask)
            self._masker.add(heard.mask)
        if heard.text is not None or heard.stored:
            self._show(heard, heard.level, at)

    def _show(self, heard: Heard, level: str, at: float) -> None:
        stored = self._masker.text(heard.stored).replace("\r", "").replace("\n", "%0A")
        kept = self._log.append(stored.encode("utf-8", "replace") + b"\n", at)
        if heard.text is not None:
            text = self._masker.text(heard.text)
            line = Line(at, text, heard.group, level)  # type: ignore[arg-type]
            self._tail.append(line)
            if kept:
                self._told(line)

    def _plain(self, block: bytes, at: float) -> None:
        """Whole lines without commands."""
        if not block:
            return
        masked = self._masker.data(block)
        depth = self._listener.depth
        if not self._log.append(masked, at):
            for raw in masked[-_TAIL_CHARS * _TAIL_LINES :].splitlines()[-_TAIL_LINES:]:
                self._tail.append(Line(at, _text(raw), depth))
            return
        for raw in masked.removesuffix(b"\n").split(b"\n"):
            self._tell(Line(at, _text(raw), depth))

    def _tell(self, line: Line) -> None:
        self._tail.append(line)
        self._told(line)

    def _flush_rest(self) -> None:
        if self._rest:
            rest, self._rest = self._rest + b"\n", b""
            self._lines(rest, time.time())
        self._inside = False

    def _cut_line(self, at: float) -> None:
        """A line without end is shown in pieces; what may be half a secret waits."""
        command = not self._inside and self._rest.lstrip(b" \t").startswith(b"::")
        if command and len(self._rest) < 16 * MAX_LINE:
            return
        shown, self._rest = self._masker.cut(self._rest)
        if shown:
            self._inside = True
            if self._log.append(shown + b"\n", at):
                self._tell(Line(at, _text(shown), self._listener.depth))


def _split(block: bytes) -> list[bytes]:
    return [line + b"\n" for line in block.removesuffix(b"\n").split(b"\n")]


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\r\n").decode("utf-8", "replace")


def _printable(text: str) -> str:
    """For people: no terminal commands, not endless."""
    clean = _ESCAPES.sub("", text)[:_TAIL_CHARS]
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in clean)
