"""What a `uses` means, found before anything of the job runs. Given to the runner as its Finder.

Built-in actions by name; `./path` in the workspace or the commit; `owner/name[/path]@ref` through
the action source at the commit that the order pins. What this machine cannot do is refused here.
"""

import posixpath
from pathlib import Path

from headway.adapters.linux.actions.acting import Acting, Composed, Direct, Finder, Found
from headway.adapters.linux.actions.builtin import BUILTIN, Builtin, Means
from headway.adapters.linux.actions.containers import docker, of_image
from headway.adapters.linux.actions.inputs import only
from headway.adapters.linux.actions.inside import open_file
from headway.adapters.linux.actions.javascript import Folder, javascript
from headway.adapters.linux.actions.setups import SETUPS, tool_cache
from headway.model.errors import Invalid, Refused
from headway.model.job import JobOrder
from headway.pipeline.syntax.action import read_action
from headway.pipeline.syntax.ir import Action
from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.source_host import SourceHost

NAMES = ("action.yml", "action.yaml")
MAX_BYTES = 1 << 20


class LocalFinder(Finder):
    """Actions of this machine. `home`: where scratch folders are."""

    def __init__(
        self, home: Path, source: SourceHost, actions: ActionSource, blobs: BlobStore
    ) -> None:
        top = home.resolve()
        self._means = Means(source, actions, blobs, top / "tmp", tool_cache(top))

    def find(self, order: JobOrder, uses: str, checkout: Path) -> Found:
        """What to run. Asked again once a step has checked something out, a local action is that of
        the workspace. Raises Refused and Invalid as the protocol says (`no-action`, `bad-name`).
        """
        if uses.startswith("docker://"):
            return of_image(uses.removeprefix("docker://"), order)
        if uses.startswith("./"):
            return self._local(order, uses, checkout)
        known = BUILTIN.get(uses.partition("@")[0])
        return self._builtin(order, uses, known) if known else self._remote(order, uses)

    def _builtin(self, order: JobOrder, uses: str, known: Builtin) -> Found:
        if order.container and uses.partition("@")[0] in SETUPS:
            raise Refused(
                f"`{uses[:80]}` sets up tools of this machine, not of the job's container",
                next="take an image that has the tools, or leave `container:` out",
                code="in-container",
            )
        for step in order.steps:
            if step.uses == uses:
                only(_plain(step.inputs), known.inputs, uses)
                known.check(self._means, order, step)
        return known.make(self._means)

    def _local(self, order: JobOrder, uses: str, checkout: Path) -> Found:
        path = posixpath.normpath(uses)
        if path.startswith(("..", "/")) or "\0" in path:
            raise Invalid(f"{uses[:80]!r} is outside the workspace", code="bad-name")
        for name in NAMES:
            text = self._text(order, checkout, posixpath.normpath(f"{path}/{name}"))
            if text is not None:
                action = read_action(text, posixpath.normpath(f"{path}/{name}"))
                at = _in_workspace(path)
                return _found(action, (checkout / path, at), order, local=True)
        raise Invalid(
            f"there is no action {uses[:80]!r}",
            why=f"neither the workspace nor commit {order.sha[:12]} has {path}/action.yml",
            code="no-action",
        )

    def _text(self, order: JobOrder, checkout: Path, path: str) -> str | None:
        """The file as the workspace has it, else the working tree, else the commit."""
        for top in (checkout, *([Path(order.folder)] if order.folder else [])):
            try:
                with open_file(top, Path(path)) as file:
                    return _decoded(file.read(MAX_BYTES + 1), path)
            except OSError:
                continue  # not there, or no plain file: what the commit says counts
        try:
            return _decoded(self._means.source.read(order.repo, order.sha, path), path)
        except Invalid as error:
            if error.code in {"missing-file", "unknown-revision"}:
                return None
            raise

    def _remote(self, order: JobOrder, uses: str) -> Found:
        name, path, ref = split(uses)
        locked = order.actions.get(f"{name}@{ref}")
        sha = locked or self._means.actions.resolve(name, ref)
        note = "" if locked else f"{name}@{ref} is not in headway.lock; now it means {sha}"
        top = Path(self._means.actions.fetch(name, sha))
        folder = top / path
        for file in NAMES:
            try:
                with open_file(top, Path(path) / file) as opened:
                    text = _decoded(opened.read(MAX_BYTES + 1), f"{uses}/{file}")
            except OSError:
                continue
            action = read_action(text, f"{name}/{posixpath.join(path, file)}@{ref}")
            return _found(action, (folder, lambda _: folder), order, local=False, note=note)
        raise Invalid(f"{uses[:120]!r} has no action.yml at {sha[:12]}", code="no-action")


def _in_workspace(path: str) -> Folder:
    return lambda acting: acting.checkout / path


def split(uses: str) -> tuple[str, str, str]:
    """`owner/name/path@ref` as (owner/name, path, ref). Raises Invalid (`bad-name`)."""
    whole, at, ref = uses.partition("@")
    parts = whole.split("/")
    if not at or len(parts) < 2 or any(part in {"", ".", ".."} for part in parts):
        raise Invalid(
            f"{uses[:120]!r} names no action",
            why="it is `OWNER/NAME@REF`, `OWNER/NAME/PATH@REF`, `./PATH` or `docker://IMAGE`",
            code="bad-name",
        )
    return "/".join(parts[:2]), "/".join(parts[2:]), ref


def _found(
    action: Action, folders: tuple[Path, Folder], order: JobOrder, *, local: bool, note: str = ""
) -> Found:
    folder, at_run = folders
    if action.using == "composite":
        return Composed(action, folder, note)
    if action.using == "docker":
        return _noted(docker(action, at_run, order), note)
    return _noted(javascript(action, at_run, local=local), note)


def _noted(found: Direct, note: str) -> Direct:
    """The same, telling the note first."""
    if not note:
        return found
    first = found.main

    def main(acting: Acting) -> int:
        acting.hands.say(note)
        return first(acting)

    return Direct(main, found.pre, found.post, found.pre_if, found.post_if, found.action)


def _decoded(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not UTF-8", why=str(error), code="encoding") from error


def _plain(inputs: dict[str, str]) -> dict[str, str]:
    """Inputs as far as they are known now: one with an expression is checked when it is filled."""
    return {name: "" if "${{" in value else value for name, value in inputs.items()}
