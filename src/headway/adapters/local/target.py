"""The local target: instances as processes of this machine. Built by wiring.py, called by flows.

All its state is on disk, in `home`; the applications outlive the server, and the next server finds
them again by looking. What is wanted is written down before it is done, so that an order cut short
by a kill is completed by the same order, or by the next look:

    instances/ENVIRONMENT/SERVICE/{lock,generation.json}   one change at a time, none from the past
    instances/ENVIRONMENT/SERVICE/RELEASE-N/               one slot: see slots.py and shim.py
    ledger/ENVIRONMENT.jsonl                               one line per start of an application
"""

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from headway.adapters.local import fence, limits, readiness, slots, usage, wanted
from headway.adapters.local.slots import Slot
from headway.model.deployment import DeployOrder, InstanceState, Phase
from headway.model.errors import Invalid
from headway.ports.target import Target

_PROBES_AT_ONCE = 16
_LOG_BYTES = 256 << 10
_PHASES: dict[str, Phase] = {
    "waiting": "exited",
    "exited": "exited",
    "stopping": "stopping",
    "crash_loop": "crash_loop",
}


class LocalTarget(Target):
    """`home` is Headway's home directory; its path is part of what instances are known by."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._listening: set[tuple[Path, int, int]] = set()

    def deploy(self, order: DeployOrder) -> tuple[InstanceState, ...]:
        """See Target. Raises Invalid, Drifted (`stale-generation`, `generation-reused`) or Failed
        (`shim-start`). Waits for ends (at most the grace), not for readiness.
        """
        wanted.check(order)
        folder = self._folder(order.service, order.environment)
        with fence.locked(folder):
            fence.admit(folder, order.generation, order.release, wanted.content_hash(order))
            self._settle(order, folder)
        return self.observe(order.service, order.environment)

    def observe(self, service: str, environment: str) -> tuple[InstanceState, ...]:
        """See Target. A wanted instance whose shim died is started again on the way."""
        wanted.check_names(service=service, environment=environment)
        folder = self._folder(service, environment)
        if not folder.is_dir():
            return ()
        self._heal(folder)
        with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
            seen = pool.map(self._look, _slots(folder))
            return tuple(state for state in seen if state)

    def remove(self, service: str, environment: str, release: str, generation: int) -> None:
        """See Target. Raises Drifted (`stale-generation`). Returns when nothing is left of it."""
        wanted.check_names(service=service, environment=environment, release=release)
        folder = self._folder(service, environment)
        if not folder.is_dir():
            return
        with fence.locked(folder):
            found = _slots(folder, release)
            if found:
                fence.admit(folder, generation, release, fence.REMOVED)
                slots.stop(found)

    def logs(self, service: str, environment: str, instance: str, lines: int = 20) -> str:
        """The last lines the instance wrote to stdout and stderr. Raises Invalid
        (`unknown-instance`).
        """
        wanted.check_names(service=service, environment=environment, instance=instance)
        folder = self._folder(service, environment) / instance
        if not folder.is_dir():
            raise Invalid(f"there is no instance {instance}", code="unknown-instance")
        text = b"".join(_tail(folder / name) for name in ("out.log.1", "out.log"))
        return "\n".join(text.decode(errors="replace").splitlines()[-lines:])

    def _folder(self, service: str, environment: str) -> Path:
        return self._home / "instances" / environment / service

    def _settle(self, order: DeployOrder, folder: Path) -> None:
        """Stop what is too much, replace what is different, start what is missing."""
        found = _slots(folder, order.release)
        kept = [slot for slot in found if slot.spec()["wanted"]]
        surplus = _surplus(kept, order)
        kept = [slot for slot in kept if slot not in surplus]
        slots.stop([slot for slot in found if slot not in kept])
        for slot in kept:
            self._renew(slot, order)
        names = {slot.id for slot in kept}
        possible = [f"{order.release}-{n}" for n in range(1, order.instances + len(kept) + 1)]
        missing = [name for name in possible if name not in names][: order.instances - len(kept)]
        slots.start([self._write(Slot(folder / name), order) for name in missing])

    def _renew(self, slot: Slot, order: DeployOrder) -> None:
        """Bring a wanted slot up to the order; the process is replaced only if it must be."""
        former = slot.spec()
        if former["fingerprint"] != wanted.fingerprint(order):
            slots.stop([slot])
            slots.start([self._write(slot, order)])
        elif slot.holder():
            new = wanted.spec(order, slot.folder, self._ledger(order.environment))
            new |= {key: former[key] for key in ("limits", "cgroups", "rlimit_data")}
            if new != former:
                slot.write(new)
                slots.ask(slot, "reload")
        else:
            slots.start([self._write(slot, order)])

    def _write(self, slot: Slot, order: DeployOrder) -> Slot:
        """Say on disk that this slot is wanted."""
        if slot.folder.exists() and not slot.spec():
            shutil.rmtree(slot.folder)  # half forgotten by a server that was killed
        spec = wanted.spec(order, slot.folder, self._ledger(order.environment))
        slot.write(spec | _limits(slot, spec))
        return slot

    def _ledger(self, environment: str) -> Path:
        path = self._home / "ledger" / f"{environment}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def _heal(self, folder: Path) -> None:
        """Start wanted slots whose shim is dead, end unwanted ones; unless a change is going on,
        which does the same.
        """
        found = _slots(folder)
        if all(slot.spec().get("wanted") and slot.holder() for slot in found):
            return
        with fence.locked(folder, wait=False) as mine:
            for slot in _slots(folder) if mine else ():
                if slot.spec()["wanted"] and not slot.holder():
                    spec = slot.spec()
                    slot.write(spec | _limits(slot, spec))
                    slots.start([slot])
                elif not slot.spec()["wanted"]:
                    (slots.ask_end if slot.holder() else slots.forget)(slot)

    def _look(self, slot: Slot) -> InstanceState | None:
        """One instance as it is now; None if it is gone."""
        spec, holder = slot.spec(), slot.holder()
        state = (slots.ask(slot) if holder else None) or slot.state()
        if not spec or not slot.folder.is_dir():
            return None
        used = usage.of(state.get("pid") if holder else None, spec.get("cgroups", []))
        return InstanceState(
            id=slot.id,
            release=spec["release"],
            digest=spec["digest"],
            generation=spec["generation"],
            host="127.0.0.1",
            port=state.get("port", 0),
            phase=self._phase(slot, spec, state, holder),
            pid=state.get("pid") if holder else None,
            restarts=max(0, state.get("starts", 0) - 1),
            exit_status=state.get("exit_status"),
            started_at=state.get("started_at", 0.0),
            cpu_seconds=used.cpu_seconds if used else None,
            memory_bytes=used.memory_bytes if used else None,
        )

    def _phase(self, slot: Slot, spec: dict[str, Any], state: dict[str, Any], holder: int) -> Phase:
        if not holder:
            return "exited"
        if "uptime" not in state:  # it did not answer: just launched, or stuck
            return "unready" if state else "starting"
        if state["phase"] != "running":
            return _PHASES[state["phase"]]
        seen = readiness.phase(spec, state)
        if seen == "ready" and spec["ready_path"] and not self._listens(slot, state, holder):
            return "unready"
        return seen

    def _listens(self, slot: Slot, state: dict[str, Any], holder: int) -> bool:
        """Asked of the kernel once per process, since a listener stays."""
        key = (slot.folder, state["pid"], state["pid_start"])
        if key not in self._listening and readiness.listens(holder, state["port"]):
            self._listening.add(key)
        return key in self._listening


def _slots(folder: Path, release: str | None = None) -> list[Slot]:
    """The completed slots of a service, by release and number."""
    found = [(slot, slot.spec()) for slot in map(Slot, folder.iterdir()) if slot.folder.is_dir()]
    mine = [(s["release"], slot) for slot, s in found if s and release in (None, s["release"])]
    return [slot for _, slot in sorted(mine, key=lambda one: (one[0], one[1].number))]


def _surplus(kept: list[Slot], order: DeployOrder) -> list[Slot]:
    """Which to stop: those the order names, then the highest."""
    ranked = sorted(kept, key=lambda slot: (slot.id not in order.stop, -slot.number))
    return ranked[: max(0, len(kept) - order.instances)]


def _limits(slot: Slot, spec: dict[str, Any]) -> dict[str, Any]:
    """Make the slot's cgroups; what spec.json says about limits."""
    name = "headway-" + hashlib.sha256(str(slot.folder).encode()).hexdigest()[:16]
    made = limits.prepare(name, spec["memory_bytes"], spec["cpu"])
    return {"limits": made.how, "cgroups": list(made.cgroups), "rlimit_data": made.rlimit_data}


def _tail(path: Path) -> bytes:
    """The end of a file; empty if there is none."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_BYTES))
        return file.read()
