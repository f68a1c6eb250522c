"""Which contexts and functions an expression may use, key by key.

The facts are GitHub's table "Context availability"
(docs.github.com/actions/reference/workflows-and-actions/contexts), with what its own parser allows
beyond it. Read by `keys` and `shapes`. All in lower case: names are compared without case.
"""

BUILT_IN = frozenset(
    {"case", "contains", "endswith", "format", "fromjson", "join", "startswith", "tojson"}
)
"""Functions that are there wherever an expression is."""

STATUS = frozenset({"success", "failure", "cancelled", "always"})
FUNCTIONS = BUILT_IN | STATUS | {"hashfiles"}

START = frozenset({"github", "inputs", "vars"})
WORKFLOW_ENV = START | {"secrets"}
NEEDS = START | {"needs"}
MATRIX = NEEDS | {"strategy", "matrix"}
JOB_ENV = MATRIX | {"secrets"}
JOB_DEFAULTS = MATRIX | {"env"}
RUNNER = JOB_ENV | {"steps", "job", "runner", "env"}
URL = RUNNER - {"secrets"}
STEP = RUNNER | {"hashfiles"}
JOB_IF = NEEDS | STATUS
STEP_IF = URL | STATUS | {"hashfiles"}
CREDENTIALS = WORKFLOW_ENV | {"env"}
CALL_OUTPUT = START | {"jobs"}
COMPOSITE = frozenset({"github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"})
COMPOSITE_STEP = COMPOSITE | {"hashfiles"}
COMPOSITE_IF = COMPOSITE_STEP | STATUS
ACTION_OUTPUT = COMPOSITE
ACTION_INPUT = frozenset({"github", "strategy", "matrix", "job", "runner", "hashfiles"})

CONTEXTS = (RUNNER | CALL_OUTPUT) - FUNCTIONS
"""Every context there is."""
