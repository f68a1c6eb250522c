"""`headway remote` points a repository at the server; `credential` gives git the password,
so that no secret is in a URL or in a repository.
"""

import subprocess
import sys
from pathlib import Path

import click

from headway import settings
from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.cli.repository import top_level
from headway.cli.server import make_token, read_state
from headway.model.errors import Failed, Unreachable
from headway.model.service import Service
from headway.settings import workspace
from headway.settings.block import Block


@verb("headway remote", "headway remote ~/src/shop")
@click.argument("path", default=".", type=click.Path())
@pass_context
def remote(context: Context, path: str) -> None:
    """Point a repository at the server: afterwards `git push headway main` delivers.

    Without a headway.yaml its workflows run, and nothing is delivered.
    Adds the remote `headway`, and lets git ask this program for the password.
    """
    state = read_state(context.home_folder)
    if state is None:
        raise Unreachable("no server runs for this home", next="headway server", code="no-server")
    top = Path(top_level(path))
    name, branch = _named(top)
    url = f"{state['address']}/{name}.git"
    context.headway.host(name)
    configure(top, state["address"], url, context.home_folder)
    context.line(f"remote `headway` is {url}")
    verb = "deliver" if _described(top) else "run its workflows"
    context.note(f"{verb} with:  git push headway {branch}")


def _described(top: Path) -> bool:
    return (top / "headway.yaml").exists()


def _named(top: Path) -> tuple[str, str]:
    """The repository's name and the branch to push: its service's; a workspace, and what has no
    headway.yaml, is called as its folder is.
    """
    if not _described(top):
        return top.name.lower(), _git(top, "symbolic-ref", "--short", "HEAD").strip()
    many = workspace.read(settings.text_of(settings.find(top)), "headway.yaml")
    if many is None:
        service = settings.load(top / "headway.yaml")
        return service.name, service.branch
    branch = Block(many.defaults.get("pipeline")).text("branch", Service("", ()).branch)
    return top.name.lower(), branch


@verb("git config credential.http://127.0.0.1:8470.helper '!headway credential'")
@click.argument("operation")
@pass_context
def credential(context: Context, operation: str) -> None:
    """Answer git's question for the password of this home's server (gitcredentials(7))."""
    if operation != "get":
        return
    pairs = (line.strip().partition("=") for line in sys.stdin)
    asked = {key: value for key, _, value in pairs}
    state = read_state(context.home_folder)
    if state is None:
        raise Unreachable("no server runs for this home", next="headway server", code="no-server")
    where = f"{asked.get('protocol', '')}://{asked.get('host', '')}"
    if where != state["address"]:
        return
    click.echo("username=headway")
    click.echo(f"password={make_token(context.home_folder)}")


def configure(top: Path, address: str, url: str, home: Path) -> None:
    """The remote `headway` and its password helper, in the repository's own configuration."""
    helper = f"!{_quoted(sys.executable)} -m headway --home {_quoted(str(home))} credential"
    known = _git(top, "remote").splitlines()
    _git(top, "remote", "set-url" if "headway" in known else "add", "headway", url)
    _git(top, "config", "--replace-all", f"credential.{address}.helper", helper)
    _git(top, "config", "--replace-all", f"http.{address}.proxy", "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _git(top: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(top), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"git {arguments[0]} failed", why=done.stderr.strip(), code="git-failed")
    return done.stdout
