"""The next command as it can be copied: with `--home` where the command line named one.

What comes from HEADWAY_HOME or a default is so for the next command too. Used wherever text for a
person names a command; JSON names it without, because programs say their own home.
"""

import re
import shlex

import click

from headway.cli.context import Context
from headway.wording.text import plain

_COMMAND = re.compile(r"\bheadway (?=[a-z])")


def hint(text: str) -> str:
    """The text with this command's `--home` in each `headway …` of it."""
    here = click.get_current_context(silent=True)
    known = here.find_object(Context) if here else None
    return homed(text, known.home if known else None)


def homed(text: str, home: str | None) -> str:
    """The same for what is told once the command has ended; None: none was named."""
    if home is None:
        return text
    named = plain(shlex.quote(home), 4096)
    return _COMMAND.sub(lambda _found: f"headway --home {named} ", text)
