"""`headway init`: a first headway.yaml and workflow for what a folder holds. Never overwrites."""

import re
from pathlib import Path

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.model.errors import Failed, Invalid, Refused
from headway.settings.reading import NAME
from headway.settings.starter import WORKFLOW, Kit, Starter, recognise, render
from headway.settings.starter.kits import KNOWN


@verb("headway init", "headway init services/shop")
@click.argument("path", default=".", type=click.Path(path_type=Path))
@pass_context
def init(context: Context, path: Path) -> None:
    """Write a first headway.yaml and workflow for what is found in PATH."""
    folder = _folder(path)
    _refuse_existing(folder)
    kit = recognise(folder)
    if kit is None:
        raise Invalid(
            f"nothing in {folder} says how to build it",
            why=f"looked for {', '.join(KNOWN)}",
            next="write headway.yaml by hand: headway config schema",
            code="nothing-found",
        )
    starter = render(kit, folder.name, _branch(folder))
    _write(folder, {NAME: starter.settings, WORKFLOW: starter.workflow})
    _tell(context, kit, starter)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise Invalid(f"{path} is not a folder", next="headway init FOLDER", code="missing-folder")
    return path.resolve()


def _refuse_existing(folder: Path) -> None:
    """Also where a link leads out of the folder: what is written there is not this project's."""
    for name in (NAME, WORKFLOW):
        file = folder / name
        if file.exists() or file.is_symlink():
            raise _exists(name)
        if not file.parent.resolve().is_relative_to(folder):
            raise Refused(f"{name} would be written outside {folder}", code="outside")


def _exists(name: str) -> Refused:
    return Refused(
        f"{name} exists",
        why="init never overwrites. Nothing was changed",
        next="headway config check",
        code="exists",
    )


def _write(folder: Path, texts: dict[str, str]) -> None:
    """All files or none."""
    done: list[Path] = []
    try:
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                done.append(file)
                stream.write(text)
    except OSError as error:
        for file in done:
            file.unlink()
        if isinstance(error, FileExistsError):
            raise _exists(name) from error
        why = error.strerror or "the system refused"
        raise Failed(f"{name} could not be written", why=why, code="not-written") from error


def _branch(folder: Path) -> str:
    """The branch that is checked out here, by git's own file; `main` if there is none."""
    head = folder / ".git" / "HEAD"
    if not head.is_file():
        return "main"
    name = re.fullmatch(r"ref: refs/heads/([\w./-]+)\s*", head.read_text("utf-8", "replace"))
    return name[1] if name else "main"


def _tell(context: Context, kit: Kit, starter: Starter) -> None:
    if context.json:
        written = {"service": starter.service, "found": kit.found, "written": [NAME, WORKFLOW]}
        context.document(written | {"doubt": kit.doubt or None, "next": _NEXT})
        return
    context.line(f"Found {kit.found}; wrote {NAME} and {WORKFLOW}.")
    if kit.doubt:
        context.line(f"Look at `run` in {NAME}: {kit.doubt}")
    context.line(f"Look at `health`: {kit.health} must answer 2xx when an instance is ready.")
    context.line(f"Next: {_NEXT}")


_NEXT = f"git add {NAME} {WORKFLOW} && git commit -m 'Deliver with Headway' && headway plan"
