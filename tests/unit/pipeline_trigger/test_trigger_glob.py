"""Patterns: the documented table, hostile ones, and Go's table of another runner if it is here."""

import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.pipeline.syntax import glob as written
from headway.pipeline.trigger import glob

# docs.github.com, "Patterns to match branches and tags" and "… file paths"
DOCUMENTED = [
    ("feature/*", ["feature/my-branch", "feature/your-branch"], ["feature/a/b", "feature"]),
    ("feature/**", ["feature/beta-a/my-branch", "feature/mona/the/octocat"], ["feature"]),
    ("*", ["main", "releases"], ["all/the/branches"]),
    ("**", ["all/the/branches", "every/tag", "main"], []),
    ("*feature", ["mona-feature", "feature", "ver-10-feature"], ["feature/x", "my/feature"]),
    ("v2*", ["v2", "v2.0", "v2.9"], ["v3", "v2/a"]),
    ("v[12].[0-9]+.[0-9]+", ["v1.10.1", "v2.0.0"], ["v3.1.1", "v1.a.1", "v1.1"]),
    ("*.jsx?", ["page.js", "page.jsx"], ["page.j", "page.jsxx", "a/page.js"]),
    ("**.js", ["index.js", "js/index.js", "src/js/app.js"], ["index.jsx"]),
    ("docs/*", ["docs/README.md", "docs/file.txt"], ["docs/a/b", "docs"]),
    ("docs/**", ["docs/README.md", "docs/mona/octocat.txt"], ["docs", "a/docs/b"]),
    ("docs/**/*.md", ["docs/README.md", "docs/mona/hello-world.md", "docs/a/markdown/file.md"],
     ["docs/a.txt", "x/docs/a.md"]),
    ("**/docs/**", ["docs/hello.md", "dir/docs/my-file.txt", "a/docs/plan/space.doc"], ["docs"]),
    ("**/README.md", ["README.md", "js/README.md"], ["js/README.mdx", "XREADME.md"]),
    ("**/*src/**", ["a/src/app.js", "my-src/code/js/app.js"], ["src"]),
    ("**/*-post.md", ["my-post.md", "path/their-post.md"], ["my-post.txt"]),
    ("**/migrate-*.sql", ["migrate-10909.sql", "db/migrate-v1.0.sql", "db/sept/migrate-v1.sql"],
     ["db/migrate/x.sql"]),
    ("[CB]at", ["Cat", "Bat"], ["at", "cat", "CBat"]),
    ("[1-2]00", ["100", "200"], ["300"]),
    ("[a-z0-9_]+", ["a_1"], ["A", ""]),
    (r"\!file", ["!file"], ["file"]),
    (r"a\*b", ["a*b"], ["axb", "ab"]),
    (".yml", [".yml"], ["fyml"]),
    ("$(id);`x`", ["$(id);`x`"], ["$(id)"]),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "good", "bad"), DOCUMENTED, ids=[d[0] for d in DOCUMENTED])
def test_the_documented_patterns(pattern: str, good: list[str], bad: list[str]) -> None:
    assert [t for t in good if not glob.included([pattern], t)] == []
    assert [t for t in bad if glob.included([pattern], t)] == []


@pytest.mark.parametrize(
    ("patterns", "text", "inside"),
    [
        (["*.md", "!README.md"], "hello.md", True),
        (["*.md", "!README.md"], "README.md", False),
        (["*.md", "!README.md"], "docs/hello.md", False),
        (["*.md", "!README.md", "README*"], "README.md", True),
        (["*.md", "!README.md", "README*"], "README.doc", True),
        (["!main"], "main", False),
        (["!main"], "other", False),
        (["!main", "main"], "main", True),
        (["releases/**", "!releases/**-alpha"], "releases/beta/3-alpha", False),
        (["releases/**", "!releases/**-alpha"], "releases/10", True),
        ([], "main", False),
    ],
)
def test_the_last_pattern_that_matches_decides(
    patterns: list[str], text: str, inside: bool
) -> None:
    assert glob.included(patterns, text) is inside


@pytest.mark.parametrize("pattern", ["a[", "a[]", "a[z-a]", "a[a-Z]", "a[.]", "a\\", "x" * 1001])
def test_what_cannot_be_read_is_said_and_never_matches(pattern: str) -> None:
    assert glob.fault(pattern)
    with pytest.raises(ValueError, match=r"."):
        glob.included(["main", pattern], "main")


def test_a_hostile_pattern_takes_no_hostile_time() -> None:
    """A backtracking matcher needs longer than the universe for this."""
    pattern, text = "**a" * 300 + "b", "a" * 4000
    began = time.process_time()
    assert not glob.included([pattern], text)
    assert time.process_time() - began < 20


PIECES = ["a", "b", "/", "a?", "b+", "*", "**", "**/", "*/"]
SIMPLE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join)


@settings(max_examples=400)
@given(SIMPLE, st.lists(st.text("ab/", max_size=8), max_size=8))
def test_it_agrees_with_a_regular_expression(pattern: str, texts: list[str]) -> None:
    known = {"**/": "(?:.+/)?", "**": ".*", "*": "[^/]*"}
    regex = "".join(known.get(p, p) for p in re.findall(r"\*\*/|\*\*|\*|.", pattern))
    for text in texts:
        assert glob.included([pattern], text) is bool(re.fullmatch(regex, text))


PATTERNS = st.text("abAZ09*?+[]!\\/-.", max_size=10)


@given(PATTERNS)
def test_what_the_reader_of_workflows_takes_can_be_matched_or_is_said(pattern: str) -> None:
    """The reader is the one that refuses; here a fault is a sentence, never a crash."""
    if not glob.fault(pattern):
        assert glob.included([pattern], "main") in {True, False}
    assert isinstance(written.fault(pattern or "x"), str)


TABLE = os.environ.get("HEADWAY_PATTERN_TABLE", "")
# with `-ignore`, that runner ignores whatever a `!` pattern does not match. The documentation says
# that a `!` takes back what an earlier pattern matched, and nothing else
DIFFERENT = {("README.md",), ("docs/hello.md",), ("README.doc",)}


@pytest.mark.skipif(not TABLE, reason="HEADWAY_PATTERN_TABLE: a workflow_pattern_test.go")
def test_another_runners_table() -> None:
    cases = list(_cases(Path(TABLE).read_text()))
    assert len(cases) >= 60
    different = []
    for patterns, inputs, skipped, ignored in cases:
        if patterns:
            assert (not any(glob.included(patterns, i) for i in inputs)) is skipped, patterns
            mine = all(glob.included(patterns, i) for i in inputs)
            different += [] if mine is ignored else [(tuple(patterns), tuple(inputs))]
    assert all(any(p.startswith("!") for p in ps) for ps, _ in different), different
    assert {inputs for _, inputs in different} <= DIFFERENT, different


def _cases(text: str) -> list[tuple[list[str], list[str], bool, bool]]:
    found = re.findall(
        r"patterns:\s*\[\]string\{(.*?)\},\s*inputs:\s*\[\]string\{(.*?)\},\s*"
        r"skipResult:\s*(\w+),\s*filterResult:\s*(\w+)",
        text,
        re.DOTALL,
    )
    found += [
        (patterns, inputs, skip, keep)
        for inputs, patterns, skip, keep in re.findall(
            r"inputs:\s*\[\]string\{(.*?)\},\s*patterns:\s*\[\]string\{(.*?)\},\s*"
            r"skipResult:\s*(\w+),\s*filterResult:\s*(\w+)",
            text,
            re.DOTALL,
        )
    ]
    return [(_words(p), _words(i), s == "true", k == "true") for p, i, s, k in found]


def _words(text: str) -> list[str]:
    return [w.replace("\\\\", "\\") for w in re.findall(r'"((?:[^"\\]|\\.)*)"', text)]
