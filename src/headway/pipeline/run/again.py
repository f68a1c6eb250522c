"""What of an ended run still stands when it is run again. Called by flows/pipeline.rerun."""

from dataclasses import replace

from headway.model.job import JobReport
from headway.pipeline.run.schedule import Schedule
from headway.pipeline.run.state import RunState
from headway.pipeline.run.units import Unit


def standing(schedule: Schedule, state: RunState, chosen: tuple[str, ...]) -> tuple[JobReport, ...]:
    """The green reports that are taken over: of every job that is neither red, nor `chosen` (job
    ids), nor depends on one that is. Of a red matrix, its green instances stand.
    """
    asked = _Asked(schedule, state, frozenset(chosen))
    found = []
    for key in state.ended:
        report = state.ended[key]
        unit = asked.units[schedule.job_of(state, key)]
        if report.outcome == "success" and unit.job.uses is None and not asked.shaken(unit):
            found.append(replace(report, reused=report.reused or state.spec.id))
    return tuple(found)


class _Asked:
    """Which jobs run again, worked out once for each."""

    def __init__(self, schedule: Schedule, state: RunState, chosen: frozenset[str]) -> None:
        self.units = schedule.units(state)
        self.chosen = chosen
        self._red = {
            schedule.job_of(state, key)
            for key, report in state.ended.items()
            if report.outcome in {"failure", "cancelled"}
        }
        self._known: dict[str, bool] = {}

    def shaken(self, unit: Unit) -> bool:
        """Whether what the job stands on runs again, or the job is chosen."""
        if unit.id in self.chosen or any(self._again(self.units[a]) for a in unit.ancestors()):
            return True
        return unit.frame.caller is not None and self.shaken(unit.frame.caller)

    def _again(self, unit: Unit) -> bool:
        """Whether any of the job runs again, in a workflow that it calls too."""
        known = self._known.get(unit.id)
        if known is None:
            known = unit.id in self._red or self.shaken(unit) or self._inside(unit)
            self._known[unit.id] = known
        return known

    def _inside(self, unit: Unit) -> bool:
        called = (u for u in self.units.values() if u.frame.caller is unit)
        return any(u.id in self._red or u.id in self.chosen or self._inside(u) for u in called)
