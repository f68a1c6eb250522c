"""Is a service affected by what changed? Of a workspace, only the affected ones are delivered.

Pure; asked by flows/affected with the paths that differ between the service's last delivered commit
and the new one.
"""

from collections.abc import Collection, Iterable


def because(changed: Collection[str] | None, watched: Iterable[str]) -> str:
    """Why it is affected; "" if it is not. `changed` None: nobody knows what changed.

    A watched path is a file or a folder, without a slash at its end; "" is the whole repository.
    """
    if changed is None:
        return "what changed is not known"
    for path in sorted(changed):
        for one in watched:
            if not one or path == one or path.startswith(f"{one}/"):
                return f"{path} changed"
    return ""
