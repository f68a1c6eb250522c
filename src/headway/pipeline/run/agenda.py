"""Which jobs of a run a turn has to look at: those for which something has changed, not all.

Kept by schedule. What is asked is what the whole walk would find: a job is looked at when it is
new, when an instance of it was planned, called or ended, when the last of its needs was done, and
all of them when somebody or a red instance stops anything.
"""

from headway.pipeline.run.state import RunState
from headway.pipeline.run.units import Unit


class Agenda:
    """The jobs to look at next. `open`: all that have not ended, in the order of the files."""

    def __init__(self) -> None:
        self.open: dict[str, Unit] = {}
        self._number: dict[str, int] = {}
        self._todo: set[str] = set()
        self._dependents: dict[str, list[str]] = {}
        self._stops: object = None

    def enter(self, units: tuple[Unit, ...]) -> None:
        """The jobs of a workflow that begins."""
        for unit in units:
            self.open[unit.id] = unit
            self._number[unit.id] = len(self._number)
            self._todo.add(unit.id)
            for need in unit.needs:
                self._dependents.setdefault(unit.frame.id_of(need), []).append(unit.id)

    def look(self, id: str) -> None:
        """Something has happened to the job."""
        self._todo.add(id)

    def close(self, unit: Unit) -> None:
        """The job has ended: those that need it, and whoever called its workflow, may go on."""
        del self.open[unit.id]
        self._todo.update(self._dependents.get(unit.id, ()))
        if unit.frame.caller is not None:
            self._todo.add(unit.frame.caller.id)

    def take(self, state: RunState, reds: int) -> list[Unit]:
        """What is to be looked at now, in the order of the files. `reds`: how many jobs a red
        instance has stopped.
        """
        stops = (state.cancelled, state.forced, len(state.stopped), reds)
        if stops != self._stops:
            self._stops = stops
            self._todo.update(self.open)
        found = sorted(self._todo & self.open.keys(), key=self._number.__getitem__)
        self._todo.clear()
        return [self.open[id] for id in found]


class Openings:
    """Jobs that are planned and have instances that may begin, in the order of their plans."""

    def __init__(self) -> None:
        self.calls: dict[str, Unit] = {}
        self.jobs: dict[str, Unit] = {}
        self._first: dict[str, int] = {}

    def enter(self, unit: Unit) -> None:
        """Instances of it may begin: it was planned, or one of them shall run again."""
        into = self.jobs if unit.job.uses is None else self.calls
        into[unit.id] = unit
        self._first[unit.id] = 0

    def waiting(self, state: RunState, unit: Unit) -> tuple[str, ...]:
        """Its instances that have not begun; those before the first of them are not asked again."""
        keys, first = state.plans[unit.id].keys, self._first[unit.id]
        while first < len(keys) and not waits(state, keys[first]):
            first += 1
        self._first[unit.id] = first
        return tuple(key for key in keys[first:] if waits(state, key))

    def leave(self, unit: Unit) -> None:
        """Nothing of it waits any more."""
        (self.jobs if unit.job.uses is None else self.calls).pop(unit.id, None)


def waits(state: RunState, key: str) -> bool:
    """Whether the instance has not begun."""
    return key not in state.ended and key not in state.orders and key not in state.calls


def active(state: RunState, key: str) -> bool:
    """Whether the instance has begun and not ended."""
    return key not in state.ended and (key in state.orders or key in state.calls)
