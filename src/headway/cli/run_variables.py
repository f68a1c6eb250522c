"""The home's variables in `headway run`: the database is only opened for a workflow that reads any.

Used by cli/run.py. A home without a database has none, and none is made.
"""

from pathlib import Path

from headway.cli.context import Context
from headway.cli.run_request import text_of
from headway.pipeline.run import variables
from headway.pipeline.run.state import RunSpec


def with_variables(context: Context, spec: RunSpec, origin: str) -> RunSpec:
    """With those that hold for the folder, for the repository that it came from (`origin`), and for
    the service of its headway.yaml. What `--var` says wins.
    """
    from headway.flows.variables import FILE, service_named  # noqa: PLC0415
    from headway.store.variables import every  # noqa: PLC0415

    with context.reading() as connection:
        known = [kept.variable for kept in every(connection)]
    folder = Path(spec.folder)
    there = (folder / FILE).is_file()
    service = service_named(text_of(folder, FILE)) if known and there else ""
    scopes = {"", f"repo:{spec.folder}", f"repo:{origin}", f"service:{service}"}
    return variables.with_variables(spec, known, scopes.__contains__)
