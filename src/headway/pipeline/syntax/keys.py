"""KEYS: every key of a workflow file and of an action.yml, what it may hold, and who refuses it.

One table drives the reader (`shapes` refuses what is not in it), the page
docs/reference/workflows.md (`reference`) and what `headway doctor` says of a repository. A key that
is here without `refused` is read into `ir`; there is no third kind.
"""

from headway.pipeline.syntax import contexts as see
from headway.pipeline.syntax import events
from headway.pipeline.syntax.shape import Key, Shape, Table

_TEXT, _WORD = Shape(kind="text"), Shape(kind="word")
_FLAG, _NUMBER = Shape(kind="boolean"), Shape(kind="number")
_WORDS = Shape(kind="word", items=_WORD)
_LIST = Shape(items=_WORD, computed=True)
_MAP_OF_TEXT = Shape(names=_TEXT)


def _text(sees: frozenset[str]) -> Shape:
    return Shape(kind="text", sees=sees)


def _flag(sees: frozenset[str]) -> Shape:
    return Shape(kind="boolean", sees=sees)


def _number(sees: frozenset[str]) -> Shape:
    return Shape(kind="number", sees=sees)


def _map(sees: frozenset[str]) -> Shape:
    return Shape(names=_TEXT, sees=sees)


_HOSTED = "it makes an image on GitHub's own machines, which Headway has none of. Remove it"
_CACHE = "who may write the cache follows from the trust in the change. Remove it"
_BACKGROUND = "steps run one after the other. Start it with `&` inside `run`, or use a second job"
_PERMISSION_WORDS = {
    **dict.fromkeys(("copilot-requests", "id-token"), ("write", "none")),
    **dict.fromkeys(("models", "vulnerability-alerts"), ("read", "none")),
}
SCOPES = (
    *("actions", "artifact-metadata", "attestations", "checks", "code-quality", "contents"),
    *("copilot-requests", "deployments", "discussions", "drives", "id-token", "issues", "models"),
    *("packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses"),
    "vulnerability-alerts",
)
"""What a token may be allowed, scope by scope."""
RISING = ("none", "read", "write")

_PERMISSIONS = Key(
    "What the job's token may: `read-all`, `write-all`, `{}` (nothing), or each scope by name. A "
    "job that may nothing gets no `GITHUB_TOKEN`; a token that you gave cannot be narrowed. A "
    "called workflow may ask for no more than its caller has: `headway workflow check`.",
    Shape(one_of=("read-all", "write-all"), place="permissions"),
)
_ENV = "Variables of every step below."
_QUEUE = Key(
    "`single` (a newer waiting one replaces an older) or `max`.", Shape(one_of=("single", "max"))
)
_DEFAULTS = Key("What `run` steps do if they say nothing.", Shape(place="defaults"))
_DESCRIPTION = Key("For people.", _TEXT)

_WORKFLOW: Table = {
    "name": Key("What people call the workflow.", _TEXT),
    "description": _DESCRIPTION,
    "run-name": Key("What people call one run.", _text(see.START)),
    "on": Key(
        "What starts it: one event, a list, or a map.",
        Shape(kind="word", items=_WORD, place="on"),
        required=True,
    ),
    "permissions": _PERMISSIONS,
    "env": Key(_ENV, _map(see.WORKFLOW_ENV)),
    "defaults": _DEFAULTS,
    "concurrency": Key(
        "One run of a group at a time: the group, or a map.",
        Shape(kind="text", place="concurrency", sees=see.START),
    ),
    "jobs": Key("The jobs, by id.", Shape(names=Shape(place="job")), required=True),
    "cache-mode": Key("", refused=_CACHE),
}

_ON: Table = events.names() | {
    "schedule": Key("At times.", Shape(items=Shape(place="schedule"))),
    "workflow_dispatch": Key(
        "Started by a person.", Shape(null=True, place="on.workflow_dispatch")
    ),
    "workflow_call": Key(
        "Called by a job of another workflow.", Shape(null=True, place="on.workflow_call")
    ),
    "image_version": Key("", refused="only GitHub's own machines have images. Remove it"),
}

_CONCURRENCY: Table = {
    "group": Key("Whose name is shared, excludes each other.", _WORD, required=True),
    "cancel-in-progress": Key("`true`: the older one is cancelled.", _FLAG),
    "queue": _QUEUE,
}

_JOB: Table = {
    "name": Key("What people call the job.", _text(see.MATRIX)),
    "needs": Key("Jobs that end before: one id or a list.", _WORDS),
    "if": Key(
        "Whether it runs; `success()` if not written.",
        Shape("text", sees=see.JOB_IF, condition=True),
    ),
    "permissions": _PERMISSIONS,
    "runs-on": Key(
        "Labels of the machine: one, a list, or `group` and `labels`.",
        Shape(kind="word", items=_WORD, place="runs-on", sees=see.MATRIX),
    ),
    "environment": Key(
        "Where it deploys to: a name, or a map.",
        Shape(kind="text", place="environment", sees=see.MATRIX),
    ),
    "concurrency": Key(
        "One job of a group at a time: the group, or a map.",
        Shape(kind="word", place="concurrency", sees=see.MATRIX),
    ),
    "outputs": Key("Values for the jobs that need this one.", Shape(names=_text(see.RUNNER))),
    "env": Key(_ENV, _map(see.JOB_ENV)),
    "defaults": Key(_DEFAULTS.says, Shape(place="job.defaults")),
    "steps": Key("What is done, in this order.", Shape(items=Shape(place="step"))),
    "timeout-minutes": Key("The whole job's time; then it is cancelled.", _number(see.MATRIX)),
    "cancel-timeout-minutes": Key(
        "How long a job that is stopped may tidy up; 5 if not written, 0: not at all.",
        _number(see.MATRIX),
    ),
    "strategy": Key("The job once for each combination.", Shape(place="strategy", sees=see.NEEDS)),
    "continue-on-error": Key("`true`: its failure does not make the run red.", _flag(see.MATRIX)),
    "container": Key(
        "The image whose container the steps run in: a name, or a map.",
        Shape(kind="text", place="container", sees=see.MATRIX),
    ),
    "services": Key(
        "Containers beside the job, by name.",
        Shape(names=Shape(kind="word", place="service"), sees=see.MATRIX, computed=True),
    ),
    "uses": Key("The workflow that is called: `./…` or `owner/repo/…@ref`.", _WORD),
    "with": Key("Inputs of the called workflow.", Shape(names=_text(see.MATRIX))),
    "secrets": Key(
        "Secrets for the called workflow: a map, or `inherit` for all.",
        Shape(one_of=("inherit",), names=_text(see.JOB_ENV)),
    ),
    "snapshot": Key("", refused=_HOSTED),
    "cache-mode": Key("", refused=_CACHE),
}

_STEP: Table = {
    "id": Key("Its name in `steps.…`.", _WORD),
    "if": Key(
        "Whether it runs; `success()` if not written.",
        Shape("text", sees=see.STEP_IF, condition=True),
    ),
    "name": Key("What people call the step.", _text(see.STEP)),
    "uses": Key("An action: `owner/repo@ref`, `./folder`, `docker://image`.", _WORD),
    "run": Key("A script for `shell`.", _text(see.STEP)),
    "working-directory": Key("Where `run` starts, in the workspace.", _text(see.STEP)),
    "shell": Key("`bash`, `sh`, `python`, `pwsh`, or a command with `{0}`.", _WORD),
    "with": Key("The action's inputs.", _map(see.STEP)),
    "env": Key("Variables of this step.", _map(see.STEP)),
    "continue-on-error": Key("`true`: its failure does not fail the job.", _flag(see.STEP)),
    "timeout-minutes": Key("The step's time; then it is killed.", _number(see.STEP)),
    **{
        name: Key("", refused=_BACKGROUND)
        for name in ("background", "wait", "wait-all", "cancel", "parallel")
    },
}

_IMAGE: Table = {
    "image": Key("The image.", _WORD, required=True),
    "credentials": Key(
        "For the image's registry.", Shape(place="credentials", sees=see.CREDENTIALS, computed=True)
    ),
    "env": Key("Variables in the container.", Shape(names=_text(see.RUNNER), computed=True)),
    "ports": Key("Ports that are opened on the machine.", _LIST),
    "volumes": Key("Folders and volumes: `from:to`.", _LIST),
    "options": Key("More options for the container's engine.", _TEXT),
}

_INPUT: Table = {
    "description": _DESCRIPTION,
    "required": Key("`true`: a value must be given.", _FLAG),
    "deprecationMessage": Key("Told to whoever gives a value.", _TEXT),
}

_WORKFLOW_KEYS: dict[str, Table] = {
    "workflow": _WORKFLOW,
    "on": _ON,
    **{
        f"on.{event}": events.filters(event)
        for event in [*events.TYPES, "push", "repository_dispatch"]
    },
    "schedule": {
        "cron": Key("Minute, hour, day, month, weekday.", _WORD, required=True),
        "timezone": Key("An IANA name; UTC if not written.", _WORD),
    },
    "on.workflow_dispatch": {
        "inputs": Key(
            "Values given at the start, by name.",
            Shape(null=True, names=Shape(null=True, place="dispatch-input")),
        ),
    },
    "dispatch-input": _INPUT
    | {
        "type": Key(
            "Its type.", Shape(one_of=("string", "boolean", "number", "choice", "environment"))
        ),
        "default": Key("The value if none is given.", _TEXT),
        "options": Key("What a `choice` may be.", Shape(items=_TEXT)),
    },
    "on.workflow_call": {
        "inputs": Key("Values that the caller gives.", Shape(names=Shape(place="call-input"))),
        "secrets": Key(
            "Secrets that the caller gives.",
            Shape(names=Shape(null=True, place="call-secret")),
        ),
        "outputs": Key("Values that the caller gets.", Shape(names=Shape(place="call-output"))),
    },
    "call-input": {
        "description": _DESCRIPTION,
        "required": _INPUT["required"],
        "type": Key("Its type.", Shape(one_of=("string", "boolean", "number")), required=True),
        "default": Key("The value if none is given.", _text(see.START)),
    },
    "call-secret": {"description": _DESCRIPTION, "required": _INPUT["required"]},
    "call-output": {
        "description": _DESCRIPTION,
        "value": Key("From `jobs.<id>.outputs`.", _text(see.CALL_OUTPUT), required=True),
    },
    "permissions": {
        scope: Key("", Shape(one_of=_PERMISSION_WORDS.get(scope, ("read", "write", "none"))))
        for scope in SCOPES
    },
    "defaults": {"run": Key("Of `run` steps.", Shape(place="defaults.run"))},
    "job.defaults": {
        "run": Key("Of `run` steps.", Shape(place="defaults.run", sees=see.JOB_DEFAULTS))
    },
    "defaults.run": {
        "shell": Key("As in a step.", _WORD),
        "working-directory": Key("As in a step.", _WORD),
    },
    "concurrency": _CONCURRENCY,
    "job": _JOB,
    "runs-on": {
        "group": Key("The pool of workers: its name, or `org/name`.", _WORD),
        "labels": Key("One label or a list.", _WORDS),
    },
    "environment": {
        "name": Key("As headway.yaml names it.", _TEXT, required=True),
        "url": Key("Where it can be seen: told with the run, as a link.", _text(see.URL)),
        "deployment": Key(
            "`false`: its variables, secrets and approval, but nothing is deployed.", _FLAG
        ),
    },
    "strategy": {
        "matrix": Key(
            "Lists by name; `include` and `exclude`.",
            Shape(
                place="matrix",
                names=Shape(items=Shape(anything=True), computed=True),
                computed=True,
            ),
        ),
        "fail-fast": Key("`true` (the default): one failure cancels the rest.", _FLAG),
        "max-parallel": Key("At most so many at a time.", _NUMBER),
    },
    "matrix": {
        name: Key(
            says, Shape(items=Shape(names=Shape(anything=True), computed=True), computed=True)
        )
        for name, says in (
            ("include", "Combinations to add, or to add values to."),
            ("exclude", "Combinations to leave out."),
        )
    },
    "container": _IMAGE,
    "service": _IMAGE
    | {
        "command": Key("Instead of the image's command.", _TEXT),
        "entrypoint": Key("Instead of the image's entry point.", _TEXT),
    },
    "credentials": {
        "username": Key("The name.", _WORD),
        "password": Key("The password: a secret.", _WORD),
    },
    "step": _STEP,
}

_ACTION_STEP: Table = {
    "id": _STEP["id"],
    "if": Key(_STEP["if"].says, Shape("text", sees=see.COMPOSITE_IF, condition=True)),
    "with": Key(_STEP["with"].says, _map(see.COMPOSITE_STEP)),
    "env": Key(_STEP["env"].says, _map(see.COMPOSITE_STEP)),
    "uses": _STEP["uses"],
    "continue-on-error": Key(_STEP["continue-on-error"].says, _flag(see.COMPOSITE_STEP)),
    **{
        name: Key(_STEP[name].says, _text(see.COMPOSITE_STEP))
        for name in ("name", "run", "shell", "working-directory")
    },
}
_CONDITION = Shape("text", sees=see.COMPOSITE_IF - {"steps"}, condition=True)
USING = ("composite", "node12", "node16", "node20", "node24", "docker")

_ACTION_KEYS: dict[str, Table] = {
    "action": {
        "name": Key("What people call the action.", _WORD, required=True),
        "author": Key("For people.", _TEXT),
        "description": _DESCRIPTION,
        "inputs": Key(
            "Values for `with`, by name.",
            Shape(
                null=True, names=Shape(null=True, place="action-input", names=Shape(anything=True))
            ),
        ),
        "outputs": Key(
            "Values in `steps.….outputs`.",
            Shape(null=True, names=Shape(null=True, place="action-output")),
        ),
        "runs": Key("How it runs.", Shape(place="runs"), required=True),
        "branding": Key("For a marketplace; anything.", Shape(anything=True)),
    },
    "action-input": _INPUT
    | {
        "default": Key("The value if none is given.", _text(see.ACTION_INPUT)),
        "required": Key("`true`: whoever gives no value is warned, if there is no default.", _FLAG),
        "type": Key("For people: an action's inputs are all texts.", _TEXT),
    },
    "action-output": {
        "description": _DESCRIPTION,
        "value": Key("Of a composite action.", _text(see.ACTION_OUTPUT)),
    },
    "runs": {
        "using": Key("The kind of action.", Shape(one_of=USING), required=True),
        "steps": Key("Of `composite`.", Shape(items=Shape(place="action-step"))),
        "main": Key("Of `node…`: the program.", _WORD),
        "pre": Key("Of `node…`: before the job's steps.", _WORD),
        "post": Key("Of `node…`: after the job's steps.", _WORD),
        "image": Key("Of `docker`: `Dockerfile` or `docker://image`.", _WORD),
        "entrypoint": Key("Of `docker`.", _WORD),
        "pre-entrypoint": Key("Of `docker`: before the job's steps.", _WORD),
        "post-entrypoint": Key("Of `docker`: after the job's steps.", _WORD),
        "args": Key("Of `docker`.", Shape(items=_text(frozenset({"inputs"})))),
        "env": Key("Of `docker`.", _map(frozenset({"inputs"}))),
        "pre-if": Key("Whether `pre` runs.", _CONDITION),
        "post-if": Key("Whether `post` runs.", _CONDITION),
    },
    "action-step": _ACTION_STEP,
}

KEYS: dict[str, Table] = _WORKFLOW_KEYS | _ACTION_KEYS
"""Each place of a file with its keys."""

RUN_JOB_ONLY = (
    *("runs-on", "environment", "outputs", "env", "defaults", "steps", "timeout-minutes"),
    *("cancel-timeout-minutes", "continue-on-error", "container", "services"),
)
"""Keys that a job with `uses` cannot have."""
CALL_JOB_ONLY = ("with", "secrets")
RUN_STEP_ONLY = ("shell", "working-directory")
