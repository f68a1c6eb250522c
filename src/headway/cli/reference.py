"""docs/reference/cli.md, from the commands themselves: `python -m headway.cli.reference`.

A test compares the file with `render()`, so that it is never stale.
"""

import inspect
import sys

import click

from headway.cli.main import DAILY, NOUNS, main
from headway.cli.options import is_common

HEAD = """\
# The command line

Made from the commands themselves by `python -m headway.cli.reference`; do not edit.

`headway NOUN VERB`, and daily verbs without a noun. Data goes to stdout, progress and errors to
stderr. With `--json` a command prints one JSON document; `events`, `logs`, `judge` and
`watch` print one in each line. An error is then `{"error": {"code", "what", "why", "next",
"problems"}}`.

| exit | meaning |
|-|-|
| 0 | done as asked |
| 1 | what you asked for failed: tests, build, deploy |
| 2 | invalid input: flags, files, unknown revision |
| 3 | refused: gate, policy, signature, permission |
| 4 | rolled back |
| 5 | still waiting at `--timeout`, or by `plan` |
| 6 | not reachable; a retry may help |
| 7 | conflict or drift: it is not as you believed |
| 70 | a bug in Headway; names the log |
| 130 | interrupted; the delivery goes on at the server |
"""


def render() -> str:
    """The whole page as Markdown."""
    root = click.Context(main, info_name="headway")
    parts = [HEAD, _common(root)]
    for heading, table in (("Daily", DAILY), ("Nouns", NOUNS)):
        parts.append(f"## {heading}\n")
        for name in table:
            command = main.get_command(root, name)
            if command is not None:
                parts += _command(command, f"headway {name}", "###")
    return "\n".join(parts)


def _common(root: click.Context) -> str:
    rows = [_row(p, root) for p in main.params if is_common(p)]
    return "## Options of every command\n\n" + _table([r for r in rows if r])


def _command(command: click.Command, path: str, level: str) -> list[str]:
    ctx = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(ctx))
    parts = [f"{level} {path}\n", f"`{path} {usage}`\n", _text(command)]
    examples = getattr(command, "examples", ())
    if examples:
        parts.append("```sh\n" + "\n".join(examples) + "\n```\n")
    options = [_row(p, ctx) for p in command.params if not is_common(p)]
    if any(options):
        parts.append(_table([o for o in options if o]))
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            parts += _command(command.commands[name], f"{path} {name}", level + "#")
    return parts


def _text(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "")
    return text.replace("\b\n", "") + "\n"


def _row(parameter: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    record = parameter.get_help_record(ctx)
    return record if record is not None and record[1] else None


def _table(rows: list[tuple[str, str]]) -> str:
    cells = [f"| `{name}` | {text.replace('|', chr(92) + '|')} |" for name, text in rows]
    return "\n".join(["| option | meaning |", "|-|-|", *cells, ""])


if __name__ == "__main__":
    sys.stdout.write(render())
