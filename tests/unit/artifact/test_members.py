"""No archive member leaves its root, whatever the archive says, in whatever order."""

import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.artifact.members import Entry, Intake, Limits, Member, Refusal

SMALL = Limits(members=5, depth=3, name_bytes=300, file_bytes=10, total_bytes=15)


def link(name: str, target: str) -> Member:
    return Member(name, "symlink", linkname=target)


REFUSED = {
    "parent": ([Member("../x", "file")], "holds `..`"),
    "parent inside": ([Member("a/../../x", "file")], "holds `..`"),
    "parent at the end": ([Member("a/..", "folder")], "holds `..`"),
    "absolute": ([Member("/etc/passwd", "file")], "absolute"),
    "twice absolute": ([Member("//etc/passwd", "file")], "absolute"),
    "empty": ([Member("", "file")], "name is empty"),
    "root as a file": ([Member("./", "file")], "replace the root"),
    "root as a link": ([link(".", "a")], "replace the root"),
    "NUL": ([Member("a\0b", "file")], "NUL"),
    "NUL in a link": ([link("a", "b\0c")], "NUL"),
    "not UTF-8": ([Member("a\udcff", "file")], "UTF-8"),
    "long name": ([Member("a" * 256, "file")], "longer than 255"),
    "long path": ([Member("/".join(["a" * 150] * 2), "file")], "301 bytes"),
    "deep": ([Member("a/b/c/d", "file")], "4 folders deep"),
    "absolute link": ([link("a", "/etc")], "absolute path `/etc`"),
    "link out": ([link("a", "../x")], "out of the archive"),
    "link out from below": ([link("d/a", "../../x")], "out of the archive"),
    "empty link": ([link("a", "")], "empty"),
    "link with a late parent": ([link("a", "b/../../x")], "after a name"),
    "link chain": ([link("b", "."), link("a", "b/..")], "after a name"),
    "through a link": ([link("a", "."), Member("a/x", "file")], "below `a`"),
    "through a link, link first seen later": (
        [Member("a/x", "file"), link("a", ".")],
        "replace a folder",
    ),
    "through a file": ([Member("a", "file"), Member("a/x", "file")], "below `a`"),
    "hard link out": ([Member("a", "hardlink", linkname="../x")], "holds `..`"),
    "hard link absolute": ([Member("a", "hardlink", linkname="/etc/shadow")], "absolute"),
    "hard link to nothing": ([Member("a", "hardlink", linkname="b")], "no earlier file"),
    "hard link to itself": ([Member("a", "hardlink", linkname="a")], "no earlier file"),
    "hard link to a link": (
        [link("b", "x"), Member("a", "hardlink", linkname="b")],
        "no earlier file",
    ),
    "hard link to a folder": (
        [Member("b/x", "file"), Member("a", "hardlink", linkname="b")],
        "no earlier file",
    ),
    "device": ([Member("a", "device")], "device"),
    "pipe": ([Member("a", "fifo")], "pipe"),
    "sparse": ([Member("a", "sparse")], "sparse"),
    "unknown": ([Member("a", "unknown")], "unknown"),
    "setuid": ([Member("a", "file", mode=0o4755)], "setuid"),
    "setgid": ([Member("a", "folder", mode=0o2755)], "setgid"),
    "folder with content": ([Member("a", "folder", size=1)], "with content"),
    "twice": ([Member("a", "file"), Member("a", "file")], "twice"),
    "twice in other words": ([Member("a", "file"), Member("./a", "file")], "twice"),
    "folder twice": ([Member("a", "folder"), Member("a/", "folder")], "twice"),
    "link over a file": ([Member("a", "file"), link("a", "b")], "twice"),
    "file too large": ([Member("a", "file", size=11)], "11 bytes"),
    "negative": ([Member("a", "file", size=-1)], "-1 bytes"),
    "too large in all": ([Member(n, "file", size=8) for n in "ab"], "more than 15 bytes"),
    "too many": ([Member(n, "file") for n in "abcdef"], "more than 5 members"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_last_member_is_refused_with_its_reason(name: str) -> None:
    members, why = REFUSED[name]
    intake = Intake(SMALL)
    *before, last = (intake.admit(member) for member in members)
    assert all(isinstance(one, Entry) for one in before)
    assert isinstance(last, Refusal)
    assert last.member == members[-1].name
    assert why in last.reason


def test_what_is_ordinary_is_admitted_and_made_plain() -> None:
    intake = Intake()
    members = [
        Member("./", "folder"),
        Member("./bin/run", "file", 3, 0o750),
        Member("lib", "folder", mode=0o1700),
        Member("lib//a", "file", 4, 0o600),
        link("lib/b", "../bin/run"),
        link("lib/c", "b"),
        Member("copy", "hardlink", linkname="lib/a"),
    ]
    assert [intake.admit(member) for member in members] == [
        Entry("", "folder", 0o755),
        Entry("bin/run", "file", 0o755, 3),
        Entry("lib", "folder", 0o755),
        Entry("lib/a", "file", 0o644, 4),
        Entry("lib/b", "symlink", 0o644, 0, "../bin/run"),
        Entry("lib/c", "symlink", 0o644, 0, "b"),
        Entry("copy", "hardlink", 0o644, 0, "lib/a"),
    ]
    assert intake.total_bytes == 7


_parts = st.sampled_from(["a", "b", "c", "..", ".", ""])
_paths = st.lists(_parts, min_size=1, max_size=5).map("/".join)
_members = st.builds(
    Member,
    name=_paths,
    kind=st.sampled_from(["file", "folder", "symlink", "symlink", "hardlink"]),
    linkname=_paths,
)


@settings(max_examples=600)
@given(st.lists(_members, max_size=8))
def test_however_links_are_combined_none_leads_out_of_the_root(members: list[Member]) -> None:
    """Written into a model of a file system, in the order given, then followed as a kernel does."""
    intake = Intake()
    links: dict[str, str] = {}
    written: set[str] = set()
    for member in members:
        entry = intake.admit(member)
        if isinstance(entry, Refusal):
            continue
        written.add(entry.path)
        assert _follow(posixpath.dirname(entry.path), links) == posixpath.dirname(entry.path)
        if entry.kind == "symlink":
            links[entry.path] = entry.target
    for path in written:
        assert _follow(path, links) is not None


def _follow(path: str, links: dict[str, str]) -> str | None:
    """Where the path leads, "" the root, "loop" after 40 links; None if it leaves the root."""
    done: list[str] = []
    todo = path.split("/")[::-1]
    hops = 0
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not done:
                return None
            done.pop()
            continue
        here = "/".join([*done, part])
        if here in links:
            hops += 1
            if hops > 40:
                return "loop"
            todo.extend(links[here].split("/")[::-1])
        else:
            done.append(part)
    return "/".join(done)
