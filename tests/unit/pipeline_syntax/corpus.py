"""Workflows written for the tests: right ones that hold every key, broken ones with their fault.

Used by test_workflow_syntax and, against another reader, by contract/test_workflow_oracle.
"""

import textwrap


def _jobs(text: str) -> str:
    return "on: push\njobs:\n" + textwrap.indent(textwrap.dedent(text).strip("\n"), "  ") + "\n"


def _steps(text: str) -> str:
    steps = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
    return _jobs("build:\n  runs-on: ubuntu-latest\n  steps:\n" + steps)


def _on(text: str) -> str:
    event = textwrap.indent(textwrap.dedent(text).strip("\n"), "  ")
    return f"on:\n{event}\njobs: {{a: {{runs-on: x, steps: [{{run: y}}]}}}}\n"


def _job(text: str) -> str:
    keys = textwrap.indent(textwrap.dedent(text).strip("\n"), "  ")
    return _jobs("build:\n  runs-on: ubuntu-latest\n" + keys + "\n  steps: [{run: x}]")


VALID: dict[str, str] = {
    "smallest": "on: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n",
    "events as a list": "on: [push, pull_request]\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n",
    "push filters": _on(
        "push: {branches: [main, 'v[0-9]+', '!x'], tags-ignore: [a], paths: ['**']}"
    ),
    "one pattern alone": _on("pull_request: {branches: main, types: opened}"),
    "pull request types": _on(
        "pull_request: {types: [opened, synchronize, closed], paths-ignore: [a]}"
    ),
    "dispatch inputs": _on("""
        workflow_dispatch:
          inputs:
            text: {type: string, default: hello, required: true, description: d}
            flag: {type: boolean, default: false}
            pick: {type: choice, options: [a, b], default: b}
            count: {type: number, default: 3}
            where: {type: environment}
    """),
    "schedule": _on("schedule: [{cron: '*/15 8-18 * jan-mar mon-fri', timezone: Europe/Berlin}]"),
    "call": _on("""
        workflow_call:
          inputs: {n: {type: number, default: 1}, s: {type: string, required: true}}
          secrets: {token: {required: true}, other: }
          outputs: {url: {value: '${{ jobs.a.outputs.url }}', description: d}}
    """),
    "release": _on("release: {types: [published, released]}"),
    "dispatch from outside": _on("repository_dispatch: {types: [deploy, anything]}"),
    "merge group": _on("merge_group: {types: [checks_requested], branches: [main]}"),
    "after another": _on("workflow_run: {workflows: [CI], types: [completed], branches: [main]}"),
    "other events": _on(
        "issues: {types: [opened]}\nissue_comment:\nwatch: {types: started}\nfork:"
    ),
    "top of the file": """\
name: CI ${x}
run-name: by ${{ github.actor }}
on: workflow_dispatch
permissions: {contents: read, id-token: write}
env: {A: "1", B: "${{ secrets.B }}", N: 3}
defaults: {run: {shell: bash, working-directory: src}}
concurrency: {group: "${{ github.ref }}", cancel-in-progress: true}
jobs: {a: {runs-on: x, steps: [{run: y}]}}
""",
    "group alone": "on: push\nconcurrency: c-${{ github.ref }}\njobs: {a: {runs-on: x}}\n",
    "read-all": "on: push\npermissions: read-all\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n",
    "needs": _jobs("a: {runs-on: x}\nb: {runs-on: x, needs: a}\nc: {runs-on: x, needs: [a, b]}"),
    "condition": _job("if: github.ref == 'refs/heads/main' && !cancelled()"),
    "condition in braces": _job("if: ${{ always() && contains(needs.x.result, 'a') }}"),
    "condition true": _job("if: true"),
    "matrix": _job("""
        strategy:
          fail-fast: false
          max-parallel: 2
          matrix:
            os: [a, b]
            n: [1, 2.5, true, {deep: [1]}]
            include: [{os: c, extra: '${{ github.sha }}'}]
            exclude: [{os: a, n: 1}]
    """),
    "computed matrix": _job("strategy: {matrix: '${{ fromJSON(vars.M) }}'}"),
    "computed list": _job(
        "strategy: {matrix: {v: '${{ fromJSON(inputs.v) }}', include: '${{ vars.I }}'}}"
    ),
    "runner labels": _jobs(
        "a: {runs-on: [self-hosted, linux]}\nb: {runs-on: {group: g, labels: [x]}}"
    ),
    "computed runner": _jobs("a: {runs-on: '${{ matrix.os }}'}"),
    "environment": _job(
        "environment: {name: 'e-${{ github.ref }}', url: '${{ steps.a.outputs.u }}'}"
    ),
    "environment alone": _job("environment: production"),
    "job extras": _job("""
        name: n ${{ matrix.x }}
        timeout-minutes: 5
        continue-on-error: ${{ matrix.x == 1 }}
        permissions: {}
        env: {A: "${{ needs.x.outputs.y }}", B: "${{ secrets.B }}"}
        outputs: {o: "${{ steps.a.outputs.b }}"}
        defaults: {run: {shell: "bash -x {0}", working-directory: "${{ env.D }}"}}
        concurrency: {group: "${{ matrix.x }}", cancel-in-progress: "${{ github.ref != 'x' }}"}
    """),
    "container": _job("""
        container:
          image: postgres:16
          credentials: {username: "${{ github.actor }}", password: "${{ secrets.P }}"}
          env: {A: "${{ env.B }}"}
          ports: [80, "8080:80"]
          volumes: ["/a:/b"]
          options: --cpus 1
    """),
    "container alone": _job("container: node:20"),
    "services": _job(
        "services: {db: {image: postgres, ports: ['5432:5432'], env: {A: b}}, r: redis}"
    ),
    "called job": _jobs("""
        a:
          uses: ./.github/workflows/x.yml
          with: {n: 1, s: "${{ github.ref }}"}
          secrets: {token: "${{ secrets.T }}"}
          permissions: {contents: read}
          strategy: {matrix: {v: [1]}}
        b: {uses: o/r/.github/workflows/x.yml@v1, secrets: inherit, needs: a, if: always()}
    """),
    "steps": _steps("""
        - uses: actions/checkout@v4
          with: {fetch-depth: 0, ref: "${{ github.sha }}"}
        - id: a
          name: say ${{ steps.x.outcome }}
          if: success() && hashFiles('**/*.lock') != ''
          run: |
            echo ${{ runner.os }}
          shell: bash
          working-directory: "${{ env.D }}"
          env: {A: "${{ secrets.A }}"}
          timeout-minutes: "${{ fromJSON(env.T) }}"
          continue-on-error: true
        - {uses: ./local, continue-on-error: "${{ matrix.x }}"}
        - uses: docker://alpine:3
        - {run: print(1), shell: python}
        - {run: x, shell: "perl {0}"}
    """),
    "the words of YAML 1.1": _steps("- run: y\n  env: {on: yes, off: no, t: 1:30, o: 010, n: ~}"),
    "anchors": _jobs("a: &job {runs-on: x, steps: [{run: y}]}\nb: *job"),
    "empty run": _steps("- run: ''"),
    "quoted braces": _steps("- run: echo ${{ '}}' }} ${{ format('{0}', 'it''s') }}"),
    "every function": _steps(
        "- run: ${{ join(fromJSON('[1]')) }}${{ toJSON(github) }}${{ startsWith('a','b') }}"
        "${{ endsWith('a','b') }}${{ contains('a','b') }}${{ case(true, 1, 2) }}"
    ),
}

# name -> (text, code, line:column)
BROKEN: dict[str, tuple[str, str, str]] = {
    "no on": ("jobs: {a: {runs-on: x}}\n", "missing-key", "1:1"),
    "no jobs": ("on: push\n", "missing-key", "1:1"),
    "empty jobs": ("on: push\njobs: {}\n", "missing-key", "2:7"),
    "a list": ("- on\n", "wrong-type", "1:1"),
    "a word": ("hello\n", "wrong-type", "1:1"),
    "unknown key": ("on: push\njob: {}\njobs: {a: {runs-on: x}}\n", "unknown-key", "2:1"),
    "key in capitals": ("On: push\njobs: {a: {runs-on: x}}\n", "unknown-key", "1:1"),
    "unknown event": ("on: pusj\njobs: {a: {runs-on: x}}\n", "unknown-event", "1:5"),
    "unknown event in a list": (
        "on: [push, x]\njobs: {a: {runs-on: x}}\n",
        "unknown-event",
        "1:12",
    ),
    "unknown event in a map": (_on("pusj:"), "unknown-event", "2:3"),
    "unknown filter": (_on("push: {branch: [main]}"), "unknown-key", "2:10"),
    "tags of a pull request": (_on("pull_request: {tags: [x]}"), "unknown-key", "2:18"),
    "unknown type": (_on("release: {types: [publishd]}"), "unknown-value", "2:21"),
    "event with a text": (_on("push: main"), "wrong-type", "2:9"),
    "filter with a map": (_on("push: {branches: {a: b}}"), "wrong-type", "2:20"),
    "expression in a filter": (
        _on("push: {branches: ['${{ github.ref }}']}"),
        "expression-here",
        "2:22",
    ),
    "schedule without cron": (_on("schedule: [{timezone: UTC}]"), "missing-key", "2:14"),
    "cron with four fields": (_on("schedule: [{cron: '* * * *'}]"), "cron", "2:21"),
    "cron out of range": (_on("schedule: [{cron: '60 * * * *'}]"), "cron", "2:21"),
    "cron with a word": (_on("schedule: [{cron: '0 0 * * funday'}]"), "cron", "2:21"),
    "cron by name": (_on("schedule: [{cron: '@daily'}]"), "cron", "2:21"),
    "schedule as a map": (_on("schedule: {cron: '0 0 * * *'}"), "wrong-type", "2:13"),
    "choice without options": (
        _on("workflow_dispatch: {inputs: {a: {type: choice}}}"),
        "input-options",
        "2:32",
    ),
    "options of a string": (
        _on("workflow_dispatch: {inputs: {a: {options: [x]}}}"),
        "input-options",
        "2:32",
    ),
    "unknown input type": (
        _on("workflow_dispatch: {inputs: {a: {type: text}}}"),
        "unknown-value",
        "2:42",
    ),
    "boolean default": (
        _on("workflow_dispatch: {inputs: {a: {type: boolean, default: 'no'}}}"),
        "input-default",
        "2:60",
    ),
    "string default": (
        _on("workflow_dispatch: {inputs: {a: {default: 3}}}"),
        "input-default",
        "2:45",
    ),
    "call input without type": (
        _on("workflow_call: {inputs: {a: {required: true}}}"),
        "missing-key",
        "2:31",
    ),
    "choice in a call": (
        _on("workflow_call: {inputs: {a: {type: choice}}}"),
        "unknown-value",
        "2:38",
    ),
    "call output without value": (
        _on("workflow_call: {outputs: {a: {description: x}}}"),
        "missing-key",
        "2:32",
    ),
    "required as a text": (
        _on("workflow_call: {secrets: {a: {required: 'yes'}}}"),
        "wrong-type",
        "2:43",
    ),
    "unknown permission": (
        "on: push\npermissions: {content: read}\njobs: {a: {runs-on: x}}\n",
        "unknown-permission",
        "2:15",
    ),
    "unknown level": (
        "on: push\npermissions: {contents: all}\njobs: {a: {runs-on: x}}\n",
        "unknown-value",
        "2:25",
    ),
    "level that is not there": (
        "on: push\npermissions: {id-token: read}\njobs: {a: {runs-on: x}}\n",
        "unknown-value",
        "2:25",
    ),
    "permissions empty": ("on: push\npermissions:\njobs: {a: {runs-on: x}}\n", "empty", "2:13"),
    "secrets in run-name": (
        "on: push\nrun-name: ${{ secrets.A }}\njobs: {a: {runs-on: x}}\n",
        "not-here",
        "2:15",
    ),
    "needs in env": (
        "on: push\nenv: {A: '${{ needs.a }}'}\njobs: {a: {runs-on: x}}\n",
        "not-here",
        "2:15",
    ),
    "group missing": (
        "on: push\nconcurrency: {cancel-in-progress: true}\njobs: {a: {runs-on: x}}\n",
        "missing-key",
        "2:14",
    ),
    "no runner": (_jobs("a: {steps: [{run: x}]}"), "missing-key", "3:3"),
    "job is a text": (_jobs("a: x"), "wrong-type", "3:6"),
    "job id with a dot": (_jobs("a.b: {runs-on: x}"), "bad-name", "3:3"),
    "job id of the engine": (_jobs("__a: {runs-on: x}"), "bad-name", "3:3"),
    "job id too long": (_jobs(f"{'a' * 100}: {{runs-on: x}}"), "bad-name", "3:3"),
    "job twice": (_jobs("a: {runs-on: x}\nA: {runs-on: x}"), "duplicate-key", "4:3"),
    "key twice": (_jobs("a: {runs-on: x, runs-on: y}"), "duplicate-key", "3:19"),
    "unknown need": (_jobs("a: {runs-on: x}\nb: {runs-on: x, needs: c}"), "unknown-job", "4:26"),
    "needs itself": (_jobs("a: {runs-on: x, needs: a}"), "cycle", "3:26"),
    "ring": (
        _jobs("z: {runs-on: x}\na: {runs-on: x, needs: [z, b]}\nb: {runs-on: x, needs: a}"),
        "cycle",
        "4:30",
    ),
    "needs as a map": (_job("needs: {a: b}"), "wrong-type", "5:12"),
    "uses beside runs-on": (
        _jobs("a: {runs-on: x, uses: ./.github/workflows/x.yml}"),
        "conflict",
        "3:7",
    ),
    "steps beside uses": (
        _jobs("a: {uses: ./.github/workflows/x.yml, steps: []}"),
        "conflict",
        "3:40",
    ),
    "with without uses": (_job("with: {a: b}"), "conflict", "5:5"),
    "secrets misspelt": (
        _jobs("a: {uses: ./.github/workflows/x.yml, secrets: inhrit}"),
        "unknown-value",
        "3:49",
    ),
    "timeout as a text": (_job("timeout-minutes: five"), "wrong-type", "5:22"),
    "timeout in quotes": (_job("timeout-minutes: '5'"), "wrong-type", "5:22"),
    "continue-on-error as a text": (_job("continue-on-error: 'true'"), "wrong-type", "5:24"),
    "steps context in a job's if": (_job("if: steps.a.outcome == 'x'"), "not-here", "5:9"),
    "hashFiles in a job's if": (_job("if: hashFiles('a')"), "not-here", "5:9"),
    "unknown context": (_job("if: githb.ref == 'x'"), "unknown-context", "5:9"),
    "condition in a block": (
        _job("if: |\n  github.ref == 'x' &&\n    bogus.y"),
        "unknown-context",
        "7:9",
    ),
    "condition in quotes": (_job("if: \"bogus.y == 'x'\""), "unknown-context", "5:10"),
    "cache-mode": (_job("cache-mode: read"), "unsupported", "5:5"),
    "unknown function": (_job("if: contain('a', 'b')"), "unknown-function", "5:9"),
    "half an expression": (_job("if: github.ref =="), "expression", "5:20"),
    "single quote open": (_job("if: github.ref == 'x"), "expression", "5:23"),
    "too few arguments": (_job("if: contains('a')"), "expression", "5:9"),
    "status function in a name": (_job("name: ${{ success() }}"), "not-here", "5:15"),
    "secrets in a container": (_job("container: '${{ secrets.X }}'"), "not-here", "5:21"),
    "container without image": (_job("container: {options: x}"), "missing-key", "5:16"),
    "unknown key of a service": (
        _job("services: {a: {image: b, port: [1]}}"),
        "unknown-key",
        "5:30",
    ),
    "service without image": (_job("services: {a: {ports: [80]}}"), "missing-key", "5:19"),
    "matrix with a text": (_job("strategy: {matrix: {a: b}}"), "wrong-type", "5:28"),
    "include with texts": (_job("strategy: {matrix: {include: [a]}}"), "wrong-type", "5:35"),
    "fail-fast as a text": (
        _job("strategy: {fail-fast: 'no', matrix: {a: [b]}}"),
        "wrong-type",
        "5:27",
    ),
    "unknown key of the strategy": (_job("strategy: {matrx: {a: [b]}}"), "unknown-key", "5:16"),
    "environment without name": (_job("environment: {url: x}"), "missing-key", "5:18"),
    "runner group of nobody": (_jobs("a: {runs-on: {group: team/x}}"), "runner-group", "3:24"),
    "defaults unknown": (_job("defaults: {run: {shel: bash}}"), "unknown-key", "5:22"),
    "output as a list": (_job("outputs: [a]"), "wrong-type", "5:14"),
    "step is a text": (_steps("- echo"), "wrong-type", "6:9"),
    "step with nothing": (_steps("- name: x"), "missing-key", "6:9"),
    "step with both": (_steps("- run: x\n  uses: a/b@c"), "conflict", "7:9"),
    "with beside run": (_steps("- run: x\n  with: {a: b}"), "conflict", "7:9"),
    "shell beside uses": (_steps("- uses: a/b@c\n  shell: bash"), "conflict", "7:9"),
    "step key misspelt": (_steps("- rum: x"), "unknown-key", "6:9"),
    "step id with a space": (_steps("- id: a b\n  run: x"), "bad-name", "6:13"),
    "step id twice": (_steps("- {id: a, run: x}\n- {id: a, run: x}"), "duplicate-id", "7:14"),
    "empty expression": (_steps("- run: echo ${{ }}"), "expression", "6:19"),
    "expression not closed": (_steps("- run: echo ${{ github.ref"), "expression", "6:19"),
    "expression on a later line": (
        _steps("- run: |\n    a\n    b ${{ bogus.x }}"),
        "unknown-context",
        "8:17",
    ),
    "second expression": (
        _steps("- run: '${{ github.ref }} ${{ nope() }}'"),
        "unknown-function",
        "6:37",
    ),
    "secrets in a step's if": (_steps("- run: x\n  if: secrets.A != ''"), "not-here", "7:13"),
    "expression in an id": (
        _steps("- id: a${{ github.ref }}\n  run: x"),
        "expression-here",
        "6:14",
    ),
    "expression in uses": (_steps("- uses: a/b@${{ github.ref }}"), "expression-here", "6:19"),
    "env as a list": (_steps("- run: x\n  env: [a]"), "wrong-type", "7:14"),
    "a list as a value": (_steps("- run: x\n  env: {A: [b]}"), "wrong-type", "7:18"),
    "tab": ("on: push\njobs:\n\ta: x\n", "tab", "3:1"),
    "not YAML": ("on: [push\njobs: x\n", "syntax", "2:5"),
    "two documents": ("on: push\n---\njobs: {}\n", "two-documents", "2:1"),
    "empty file": ("", "empty", "1:1"),
}

# what Headway refuses and GitHub's own reader takes
STRICTER: dict[str, tuple[str, str, str]] = {
    "snapshot": (_job("snapshot: img"), "unsupported", "5:5"),
    "image_version": (_on("image_version: {names: [x]}"), "unsupported", "2:3"),
    "action without ref": (_steps("- uses: actions/checkout"), "uses", "6:15"),
    "called file outside": (_jobs("a: {uses: ./../x.yml}"), "uses", "3:13"),
    "shell that is not there": (_steps("- run: x\n  shell: fish"), "shell", "7:16"),
    "computed inputs": (
        _steps("- uses: a/b@c\n  with: '${{ fromJSON(vars.W) }}'"),
        "computed-map",
        "7:15",
    ),
    "computed name": (_steps("- run: x\n  env: {'${{ github.ref }}': a}"), "computed-name", "7:15"),
    "merge key": (_steps("- run: x\n  env: {<<: a}"), "merge-key", "7:15"),
    "no values": (_job("strategy: {matrix: {a: []}}"), "empty-matrix", "5:25"),
    "ids that differ in case": (
        _steps("- {id: a, run: x}\n- {id: A, run: x}"),
        "duplicate-id",
        "7:14",
    ),
    "pattern not closed": (_on("push: {branches: ['v[0-9']}"), "pattern", "2:21"),
    "default beside the options": (
        _on("workflow_dispatch: {inputs: {a: {type: choice, options: [x], default: y}}}"),
        "input-default",
        "2:73",
    ),
    "number that is none": (
        _on("workflow_call: {inputs: {a: {type: number, default: x}}}"),
        "input-default",
        "2:55",
    ),
    "time zone": (
        _on("schedule: [{cron: '0 0 * * *', timezone: 'Mars Base'}]"),
        "time-zone",
        "2:44",
    ),
    "own tag": (_steps("- run: !x y"), "tag", "6:14"),
    "image left to an expression": (
        _job("container: {options: '${{ vars.O }}'}"),
        "missing-key",
        "5:16",
    ),
}
