"""`--substitutes FILE` and `--substitute NAME=PATH`: what stands in for what is not here.

Used by cli/run.py. Files are read from the working tree as they are, when the run is created.
"""

from dataclasses import replace
from pathlib import Path

from headway.cli.run_request import text_of
from headway.model.errors import Invalid
from headway.pipeline.run import substitutes
from headway.pipeline.run.substitutes import Piece, Substitutes, Wanted

_ACTION = ("action.yml", "action.yaml")


def declared(folder: Path, file: str, given: tuple[str, ...]) -> Substitutes:
    """What the file and the command line say; the command line wins. None of both: nothing.

    Raises Invalid (faults of the file, `bad-name`, `outside`, `missing-file`, `too-large`).
    """
    wanted = substitutes.read(text_of(folder, file), file) if file else Wanted()
    for one in given:
        wanted = _and(wanted, one)
    return Substitutes(
        declared=file,
        actions={uses: _action(folder, path) for uses, path in wanted.actions.items()},
        tools={name: _piece(folder, path) for name, path in wanted.tools.items()},
        files={name: _piece(folder, path) for name, path in wanted.files.items()},
    )


def _and(wanted: Wanted, given: str) -> Wanted:
    """`OWNER/NAME@REF=PATH` is an action, `./FILE=PATH` a file, `NAME=PATH` a tool."""
    name, _, path = given.partition("=")
    kind = "files" if name.startswith("./") else "actions" if "/" in name else "tools"
    name = name.removeprefix("./") if kind == "files" else name
    fault = substitutes.name_fault(kind, name) or substitutes.path_fault(path)
    if fault:
        raise Invalid(
            f"--substitute {given[:120]}: {fault}",
            next="--substitute kubectl=ci/kubectl",
            code="bad-name",
        )
    return replace(wanted, **{kind: {**getattr(wanted, kind), name: path}})


def _action(folder: Path, path: str) -> str:
    """The local action as `uses` names it. Raises Invalid (`missing-file`)."""
    local = "./" + path.removeprefix("./").rstrip("/")
    if not any((folder / local / name).is_file() for name in _ACTION):
        raise Invalid(f"there is no action.yml in `{path}` of {folder}", code="missing-file")
    return local


def _piece(folder: Path, path: str) -> Piece:
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise Invalid(f"`{path}` leads out of {folder}", code="outside")
    if not file.is_file():
        raise Invalid(f"there is no `{path}` in {folder}", code="missing-file")
    if file.stat().st_size > substitutes.MOST_BYTES:
        raise Invalid(f"`{path}` is larger than 128 KiB", code="too-large")
    return substitutes.piece(path, file.read_bytes())
