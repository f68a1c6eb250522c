"""`headway completion`: a script that completes commands, options and live names in a shell."""

import click
from click.shell_completion import get_completion_class

from headway.cli.context import Context, pass_context
from headway.cli.options import verb

SHELLS = ("bash", "zsh", "fish")


@verb(
    'eval "$(headway completion bash)"',
    "headway completion fish > ~/.config/fish/completions/headway.fish",
)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_context
def completion(context: Context, shell: str) -> None:
    """Print a completion script for a shell."""
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(root, {}, "headway", "_HEADWAY_COMPLETE").source()
    if context.json:
        context.document({"shell": shell, "script": script})
    else:
        click.echo(script)
