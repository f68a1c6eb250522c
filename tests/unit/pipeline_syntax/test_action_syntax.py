"""action.yml is read strictly, each kind with its keys."""

import pytest

from headway.model.errors import Invalid
from headway.pipeline.syntax.action import read_action

COMPOSITE = """\
name: greet
description: says hello
author: me
inputs:
  who:
    description: d
    required: true
    default: "${{ github.actor }}"
    deprecationMessage: old
    type: string
    more: x
  plain:
outputs:
  said: {description: d, value: "${{ steps.say.outputs.text }}"}
runs:
  using: composite
  steps:
    - id: say
      run: echo ${{ inputs.who }}
      shell: bash
      env: {A: "${{ env.B }}"}
      if: success() && inputs.who != ''
      working-directory: ${{ github.workspace }}
      continue-on-error: true
    - uses: actions/cache@v4
      with: {path: x}
branding: {icon: x, color: blue}
"""
NODE = """\
name: n
runs: {using: node20, main: dist/index.js, pre: p.js, post: q.js, post-if: always()}
"""
DOCKER = """\
name: d
runs:
  using: docker
  image: Dockerfile
  entrypoint: /a
  pre-entrypoint: /b
  args: ["${{ inputs.x }}", "y"]
  env: {A: "${{ inputs.x }}"}
"""


def test_a_composite_action() -> None:
    found = read_action(COMPOSITE, "action.yml")
    assert (found.name, found.using) == ("greet", "composite")
    who, plain = found.inputs
    assert (who.required, who.deprecated, plain.name, plain.default) == (True, "old", "plain", None)
    assert [(name, value.text) for name, value in found.outputs] == [
        ("said", "${{ steps.say.outputs.text }}")
    ]
    assert [step.id for step in found.steps] == ["say", "__actions_cache"]


def test_an_action_for_node() -> None:
    found = read_action(NODE, "action.yml")
    assert (found.main, found.pre, found.post, found.post_if) == (
        *("dist/index.js", "p.js", "q.js", "always()"),
    )


def test_an_action_in_a_container() -> None:
    found = read_action(DOCKER, "action.yml")
    assert (found.image, found.entrypoint, found.pre) == ("Dockerfile", "/a", "/b")
    assert [a.text for a in found.args] == ["${{ inputs.x }}", "y"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name: x\n", "missing-key"),
        ("runs: {using: node20, main: x}\n", "missing-key"),
        (NODE.replace("node20", "node99"), "unknown-value"),
        (NODE.replace("main:", "man:"), "unknown-key"),
        (NODE.replace("main: dist/index.js, ", ""), "missing-key"),
        (NODE.replace("pre:", "steps: [], pre:"), "conflict"),
        (NODE.replace("always()", "steps.a.outcome"), "not-here"),
        (DOCKER.replace("image: Dockerfile", "main: x"), "missing-key"),
        (DOCKER.replace("inputs.x", "github.ref"), "not-here"),
        (COMPOSITE.replace("      shell: bash\n", ""), "missing-key"),
        (COMPOSITE.replace("env.B", "secrets.B"), "not-here"),
        (COMPOSITE.replace("id: say", "id: a b"), "bad-name"),
        (COMPOSITE.replace("path: x", "path: [x]"), "wrong-type"),
        (
            COMPOSITE.replace("      continue-on-error: true", "      timeout-minutes: 3"),
            "unknown-key",
        ),
        (COMPOSITE.replace("author:", "autor:"), "unknown-key"),
        ("- x\n", "wrong-type"),
    ],
)
def test_a_broken_action_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_action(text, "action.yml")
    assert code in [p.code for p in caught.value.problems]
    assert all(p.line >= 1 for p in caught.value.problems)
