"""The repository and the service that a path means. Used by `deliver` and `plan`."""

from pathlib import Path
from typing import TYPE_CHECKING

from headway.model.commit import Commit
from headway.model.errors import Invalid
from headway.ports.source_host import SourceHost

if TYPE_CHECKING:
    from headway.model.service import Service

FILE = "headway.yaml"


def top_level(path: str) -> str:
    """The absolute top folder of the Git repository that `path` lies in, bare or not.

    Raises Invalid (`unknown-repository`).
    """
    here = Path(path).resolve()
    for folder in (here, *here.parents):
        if (folder / ".git").exists() or _bare(folder):
            return str(folder)
    raise Invalid(
        f"{path} is not in a Git repository",
        why=f"no .git in {here} or above" if here.exists() else f"{here} does not exist",
        next="git init",
        code="unknown-repository",
    )


def _bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and all((folder / d).is_dir() for d in ("objects", "refs"))


def service_of(source: SourceHost, commit: Commit) -> "Service":
    """headway.yaml at the commit. Raises Invalid with every problem, each with its place."""
    from headway import settings  # noqa: PLC0415  `headway run` needs no schema
    from headway.settings import openslo  # noqa: PLC0415

    service = settings.read(text_of(source, commit, FILE), FILE)
    return openslo.resolved(service, lambda path: text_of(source, commit, path))


def text_of(source: SourceHost, commit: Commit, path: str) -> str:
    """One text file of the commit. Raises Invalid (`missing-file`, `encoding`)."""
    try:
        return source.read(commit.repo, commit.sha, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"`{path}` is not UTF-8", why=str(error), code="encoding") from error
