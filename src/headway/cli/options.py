"""The options that every command knows, before the noun or after it, and how help is written.

`equip` gives them to a command when it is loaded (cli/main.py), also to one from another file that
knows nothing of this one.
"""

from collections.abc import Callable
from typing import Any

import click

from headway.cli.context import Context, server_is_planned

HEADING = "Every command"
HELP = {"help_option_names": ["-h", "--help"]}


class Verb(click.Command):
    """A command whose help begins with examples."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": HELP, **kwargs})
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, examples, text, options."""
        self.format_usage(ctx, formatter)
        write_examples(formatter, self.examples)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options, then the common ones."""
        write_options(self, ctx, formatter)


class Noun(click.Group):
    """A noun with its verbs."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": HELP, **kwargs})
        self.examples = examples

    def verb(self, *examples: str, **attrs: Any) -> Callable[[Callable[..., Any]], click.Command]:
        """Add a verb with the examples of its help."""
        return self.command(cls=Verb, examples=examples, **attrs)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, examples, text, verbs, options."""
        self.format_usage(ctx, formatter)
        write_examples(formatter, self.examples)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its verbs, then the common options."""
        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)


def verb(*examples: str, **attrs: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with the examples of its help."""
    return click.command(cls=Verb, examples=examples, **attrs)


def write_examples(formatter: click.HelpFormatter, examples: tuple[str, ...]) -> None:
    """The examples, indented, never wrapped."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def write_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """A command's own options, then the common ones under their own heading."""
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            (common if is_common(parameter) else own).append(record)
    for heading, records in (("Options", own), (HEADING, common)):
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)


def is_common(parameter: click.Parameter) -> bool:
    """Whether the option is one of those that every command has."""
    return parameter.name in _NAMES or parameter.name == "help"


def equip(command: click.Command) -> click.Command:
    """Give the common options to a command and to everything below it; its own options win.

    A command with a `--json` of its own also hears one that stands before the noun.
    """
    own = {o: p for p in command.params for o in p.opts}
    if "--json" in own:
        own["--json"].default = _wants_json
    for option in _common():
        if not own.keys() & set(option.opts):
            command.params.append(option)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            equip(below)
    return command


def _wants_json() -> bool:
    context = click.get_current_context().find_object(Context)
    return context is not None and context.json


def _common() -> list[click.Option]:
    return [
        _flag("--json", help="One JSON document on stdout."),
        _option("--home", metavar="DIR", help="Headway's folder; else HEADWAY_HOME or ~/.headway."),
        click.Option(
            ["--server"],
            metavar="URL",
            expose_value=False,
            callback=_refuse_server,
            help="Planned, not in this version.",
        ),
        _flag("-q", "--quiet", help="No progress."),
        _flag("-v", "--verbose", help="More words; tracebacks of bugs."),
        _flag("--no-color", help="No colour; so do NO_COLOR and TERM=dumb."),
        _flag("--no-input", help="Never ask."),
        _flag("-y", "--yes", help="Yes to every question."),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        ),
    ]


def _flag(*names: str, help: str) -> click.Option:
    return click.Option(
        names, is_flag=True, default=None, expose_value=False, callback=_remember, help=help
    )


def _option(name: str, *, metavar: str, help: str) -> click.Option:
    return click.Option([name], metavar=metavar, expose_value=False, callback=_remember, help=help)


_NAMES = frozenset(
    {"json", "home", "server", "quiet", "verbose", "no_color", "no_input", "yes", "version"}
)


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Given later wins; not given changes nothing."""
    context = ctx.find_object(Context)
    if value is not None and value is not False and context is not None and parameter.name:
        setattr(context, parameter.name, value)
    return value


def _refuse_server(ctx: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    if value is not None and not ctx.resilient_parsing:
        raise server_is_planned("--server")
    return value


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415  it takes as long as all the rest

        click.echo(f"headway {version('headway')}")
        ctx.exit()
