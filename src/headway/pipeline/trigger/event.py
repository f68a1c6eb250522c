"""One shape for all that can start a workflow: pushes, webhooks, clocks, people, registries.

Made by the readers beside this file, kept by store/triggers, judged by filters.starts. Names,
titles and messages in it are hostile text: compared and shown, never interpreted.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal[
    "hosted",
    "github",
    "gitlab",
    "gitea",
    "forgejo",
    "registry",
    "cdevents",
    "schedule",
    "manual",
    "poll",
]
HEADS, TAGS = "refs/heads/", "refs/tags/"
NOTHING = ("0" * 40, "0" * 64)
MOST_REF = 1024
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# the rules of git check-ref-format
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|\.$|/$")


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """What happened, where. `name` and `type` are GitHub's words (`pull_request`, `opened`).

    `repo`: `owner/name` as the forge says; `address`: where git reads it (a folder or a URL), given
    by Headway's own configuration and never by a payload. `ref`: full name; `sha`: the commit that
    runs, "" for the tip of `ref`. `before`: where a pushed ref was ("" or zeros: nowhere).
    `base`, `head`: short branch names of a pull request or merge group. `changed`: paths, None if
    not known. `commits`: how many were pushed, 0 if not known. `message`: of the head commit.
    `workflow`: the one file that is meant, "" for all. `payload` is `github.event`. `delivery`: the
    sender's own id; `at`: when it was stored, Unix seconds. `trusted`: False gets no secrets;
    `fork`: the change is another repository's.
    """

    name: str
    repo: str
    ref: str
    sha: str
    source: Source
    type: str = ""
    address: str = ""
    before: str = ""
    base: str = ""
    base_sha: str = ""
    head: str = ""
    head_sha: str = ""
    changed: tuple[str, ...] | None = None
    commits: int = 0
    actor: str = ""
    message: str = ""
    default_branch: str = ""
    deleted: bool = False
    draft: bool = False
    number: int = 0
    workflow: str = ""
    delivery: str = ""
    at: float = 0.0
    payload: dict[str, Any] = field(default_factory=dict)
    trusted: bool = True
    fork: bool = False

    @property
    def branch(self) -> str:
        """The short name if `ref` is a branch, else ""."""
        return self.ref.removeprefix(HEADS) if self.ref.startswith(HEADS) else ""

    @property
    def tag(self) -> str:
        """The short name if `ref` is a tag, else ""."""
        return self.ref.removeprefix(TAGS) if self.ref.startswith(TAGS) else ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """What was sent starts nothing; `because` is a whole sentence for whoever sent it."""

    because: str


def is_sha(text: object) -> bool:
    """Whether it is the full name of an object, SHA-1 or SHA-256, and not the null one."""
    return isinstance(text, str) and bool(_SHA.fullmatch(text)) and text not in NOTHING


def is_ref(text: object) -> bool:
    """Whether git would take it as the full name of a ref (git-check-ref-format)."""
    return (
        isinstance(text, str)
        and text.startswith("refs/")
        and len(text) <= MOST_REF
        and not _NO_REF.search(text)
        and not text.endswith("/")
        and text.count("/") >= 2
    )
