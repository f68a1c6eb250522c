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


def service_of(source: SourceHost, commit: Commit, path: str) -> "Service":
    """The service of the commit; in a workspace the one whose folder `path` lies in.

    Raises Invalid with every problem, each with its place; `workspace` if it lies in none's.
    """
    from headway.flows import configuration  # noqa: PLC0415  `headway run` needs no schema

    name = named_at(source, commit, path)
    return configuration.service_at(source, commit.repo, commit.sha, name)


def named_at(source: SourceHost, commit: Commit, path: str) -> str:
    """The name of the workspace's service that `path` lies in; "" outside of all, and where the
    repository is of one service.
    """
    from headway.flows import configuration  # noqa: PLC0415

    many = configuration.workspace_at(source, commit.repo, commit.sha)
    here, top = Path(path).resolve(), Path(commit.repo)
    return many.at(here.relative_to(top).as_posix()) if many and here.is_relative_to(top) else ""


def text_of(source: SourceHost, commit: Commit, path: str) -> str:
    """One text file of the commit. Raises Invalid (`missing-file`, `encoding`)."""
    try:
        return source.read(commit.repo, commit.sha, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"`{path}` is not UTF-8", why=str(error), code="encoding") from error
