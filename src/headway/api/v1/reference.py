"""Writes the OpenAPI document for docs/reference: `python -m headway.api.v1.reference`.

Refuses if it breaks clients of the document that is there.
"""

import json
import sys
from pathlib import Path

import click

from headway.api.v1 import openapi
from headway.api.v1.app import bare
from headway.api.v1.compatible import broken


@click.command()
@click.argument("kept", type=click.Path(path_type=Path), default="docs/reference/openapi.json")
def write(kept: Path) -> None:
    """The document on stdout."""
    made = bare()
    lost: list[str] = []
    if kept.exists():
        lost = list(broken(json.loads(kept.read_text()), openapi.document(made)))
    for sentence in lost:
        click.echo(f"clients of v1 rely on it: {sentence}", err=True)
    if lost:
        sys.exit(1)
    click.echo(openapi.text(made), nl=False)


if __name__ == "__main__":
    write()
