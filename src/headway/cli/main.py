"""The command `headway`: gathers the nouns and turns errors into text and exit codes."""

import click


@click.group()
def main() -> None:
    """Deliver commits: build once, judge on live traffic, promote or roll back."""
