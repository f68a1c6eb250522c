"""`headway pipeline start`: the server shall run a workflow that listens for `workflow_dispatch`.

Registered in cli/pipeline.py.
"""

import os

import click

from headway.cli.context import Context, pass_context
from headway.cli.hints import hint
from headway.cli.options import verb
from headway.cli.repository import top_level
from headway.model.errors import Invalid
from headway.wording.text import plain


@verb(
    "headway pipeline start deploy.yml",
    "headway pipeline start deploy.yml --ref v1.2 --input target=staging",
    "headway pipeline start nightly.yml --repo shop --json",
    name="start",
)
@click.argument("workflow")
@click.option("--ref", default="HEAD", metavar="REF", help="A branch, tag or commit; else HEAD.")
@click.option(
    "--repo",
    default="",
    metavar="NAME|PATH",
    help="A repository that the server hosts, or a folder; else the one around this folder.",
)
@click.option(
    "--input", "inputs", multiple=True, metavar="K=V", help="An input of the workflow; repeatable."
)
@pass_context
def start(context: Context, workflow: str, ref: str, repo: str, inputs: tuple[str, ...]) -> None:
    """Start a workflow at the server.

    WORKFLOW is a path in the repository, or a file in .github/workflows. The run is of the commit,
    not of files that were changed since: that is `headway run`.
    """
    from headway.flows.trigger_dispatch import Dispatch, dispatched  # noqa: PLC0415

    headway = context.headway
    now = headway.world.clock.now()
    wish = Dispatch(
        repo=_folder(context, repo),
        revision=ref,
        workflow=workflow,
        by=context.person,
        id=f"cli {os.urandom(8).hex()}",
        at=now,
        inputs=_pairs(inputs),
    )
    made = headway.start(dispatched(headway.world, wish))
    spec = made.spec
    for one in made.warned:
        context.note(f"warning: {plain(one, 300)}")
    runs = headway.engine_runs()
    if context.json:
        context.document({"run": spec.id, "number": spec.number, "server": runs})
        return
    told = f"{spec.id}  started, number {spec.number}; headway pipeline show {spec.id}"
    context.line(hint(told))
    if not runs:
        context.note(hint("no server runs for this home: it waits for one.  next: headway server"))


def _folder(context: Context, repo: str) -> str:
    """The repository's folder; a plain name is a hosted one if there is one of that name."""
    if not repo or "/" in repo or repo.startswith("."):
        return top_level(repo or ".")
    if repo in context.headway.hosting.names():
        return str(context.headway.hosting.path(repo))
    raise Invalid(
        f"the server hosts no repository `{repo[:60]}`",
        why=f"hosted: {', '.join(context.headway.hosting.names()) or 'none'}",
        next="headway pipeline start WORKFLOW --repo ./FOLDER",
        code="unknown-repository",
    )


def _pairs(inputs: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in inputs]
    if wrong := [name for name, sign, _ in pairs if not (name and sign)]:
        raise Invalid(f"`{wrong[0][:60]}` is not NAME=VALUE", next="--input k=v", code="usage")
    return {name: value for name, _, value in pairs}
