"""headway.yaml as it is at a commit: of the repository's one service, or of one in a workspace.

Called by build, handover, affected and cli: nobody else reads the file of a commit.
"""

from headway import settings
from headway.model.errors import Invalid
from headway.model.service import Service
from headway.ports.source_host import SourceHost
from headway.settings import openslo, workspace
from headway.settings.workspace import Workspace

FILE = "headway.yaml"


def service_at(source: SourceHost, repo: str, sha: str, name: str = "") -> Service:
    """The service of that name, with the OpenSLO files that it names; "": the only one.

    Raises Invalid (`missing-file`, `encoding`, `workspace`, `other-service`, every problem).
    """
    root = text_at(source, repo, sha, FILE)
    found = _service(source, repo, sha, root, name)
    if name and found.name != name:
        raise Invalid(
            f"headway.yaml names the service `{found.name}`, this delivery is of `{name}`",
            next=f"write `service: {name}`, or push to `{found.name}.git`",
            code="other-service",
        )
    return openslo.resolved(found, lambda path: text_at(source, repo, sha, path))


def _service(source: SourceHost, repo: str, sha: str, root: str, name: str) -> Service:
    many = workspace.read(root, FILE) if name and "services" in root else None
    if many is None:
        return settings.read(root, FILE)
    file = f"{many.named(name)}/{FILE}"
    return workspace.service(many, name, text_at(source, repo, sha, file), file)


def workspace_at(source: SourceHost, repo: str, sha: str) -> Workspace | None:
    """The workspace; None: the repository is of one service. Raises Invalid."""
    root = text_at(source, repo, sha, FILE)
    return workspace.read(root, FILE) if "services" in root else None


def text_at(source: SourceHost, repo: str, sha: str, path: str) -> str:
    """One text file of the commit. Raises Invalid (`missing-file`, `encoding`)."""
    try:
        return source.read(repo, sha, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"`{path}` is not UTF-8", why=str(error), code="encoding") from error
