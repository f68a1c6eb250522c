"""A length of time on the command line: `30s`, `5m`, `2h`."""

import re

import click

from headway.settings.units import seconds

_READABLE = re.compile(r"\d+(\.\d+)?(ms|s|m|h|d)")


class Duration(click.ParamType[float]):
    """Seconds as a float; a number needs its unit."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        if not _READABLE.fullmatch(text):
            self.fail(f"{text!r} is no length of time; write 30s, 5m or 2h", param, ctx)
        return seconds(text)
