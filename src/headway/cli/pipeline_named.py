"""Which run a person means. Used by the verbs of `headway pipeline`."""

from headway.cli.context import Context
from headway.model.errors import Invalid


def named(context: Context, given: str) -> str:
    """The run that an id, a unique beginning of one, or `last` means. Raises Invalid."""
    from headway.store import run_log  # noqa: PLC0415

    found = run_log.runs(context.home_folder)
    if given in found:
        return given
    if given == "last" and found:
        return found[0]
    like = [name for name in found if given and name.removeprefix("run_").startswith(given)]
    like = like or [name for name in found if given and name.startswith(given)]
    if len(like) == 1:
        return like[0]
    raise Invalid(
        f"{len(like)} runs begin with `{given[:60]}`" if like else f"no run `{given[:60]}` here",
        why=", ".join(like[:5]) if like else f"in {context.home_folder}",
        next="headway pipeline list",
        code="unknown-run",
    )
