"""Whose word counts: at which commit workflow files are read, and whether the run is trusted.

The rule: a change of a fork cannot change what judges it. Its workflow files and headway.yaml are
those of the branch it wants to get into, as that branch is now (not as the pull request last saw
it: an older, weaker rule could be picked that way); it runs without secrets. Code is another
matter: what is checked out is the fork's commit. `pull_request_target` is about the default branch
in files and code alike, and still gets no secrets if the change is a fork's: what comes from
outside never runs beside them. Called by flows/trigger.
"""

from dataclasses import dataclass, replace

from headway.pipeline.trigger.event import HEADS, TriggerEvent


@dataclass(frozen=True, slots=True)
class Definition:
    """`revision`: a sha or a full ref at which workflow files and headway.yaml are read; `code`:
    the same for what is checked out. Never "".
    """

    revision: str
    code: str
    trusted: bool
    because: str


def definition(event: TriggerEvent) -> Definition:
    """Where the files are read that say what to do."""
    code = event.head_sha if event.name.startswith("pull_request") else ""
    if event.name == "pull_request_target":
        home = _home(event)
        return Definition(home, home, event.trusted, "it is about the default branch")
    if event.fork:
        return Definition(
            f"{HEADS}{event.base}" if event.base else _home(event),
            code or event.sha or event.ref,
            trusted=False,
            because="a fork's change runs by the rules of the branch it wants to get into",
        )
    if event.deleted or not (event.sha or event.ref):
        home = _home(event)
        return Definition(home, home, event.trusted, "the ref is gone; the default branch speaks")
    here = code or event.sha or event.ref
    return Definition(here, here, event.trusted, "the commit speaks for itself")


def on_target(event: TriggerEvent) -> TriggerEvent | None:
    """The same pull request for workflows that listen for `pull_request_target`; else None."""
    if event.name != "pull_request":
        return None
    home = _home(event)
    return replace(event, name="pull_request_target", ref=home if home != "HEAD" else "", sha="")


def _home(event: TriggerEvent) -> str:
    return f"{HEADS}{event.default_branch}" if event.default_branch else "HEAD"
