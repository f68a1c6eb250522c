"""A service of a job as a container of its pod. Called by services."""

import re
from dataclasses import dataclass

from headway.adapters.linux.actions.image_options import options
from headway.adapters.linux.actions.job_container import NAME, Asked, hosts, variables
from headway.adapters.linux.actions.pod import OWN, Image, Pod, address
from headway.adapters.linux.actions.pod_scripts import ANSWERS, HEALTHY
from headway.adapters.linux.actions.room import Room
from headway.model.errors import Failed

INTERVAL_SECONDS, RETRIES = 30.0, 3
"""What a check of health has if nothing else is said (public reference of `docker run`)."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PARTS = re.compile(r"([0-9]+(?:\.[0-9]*)?)(h|ms|m|us|µs|ns|s)")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A service to be started from that image, with that number (see pod.address)."""

    asked: Asked
    image: Image
    number: int


def run_service(given: Numbered, pod: Pod, room: Room, *, trusted: bool) -> str:
    """Start the container and wait until its ports answer and its check of health is content; gives
    its id. Raises Failed (`service-failed`, `port-taken`).
    """
    asked, image, number = given.asked, given.image, given.number
    wish = asked.wish
    known = options(wish.options, trusted=trusted)
    flags, named = variables(wish.env)
    argv = pod.call(
        *("run", "--detach", "--name", wish.name, "--hostname", wish.name, "--network", NAME),
        *(f"--ip={address(number)}", *pod.limits(), *hosts(asked.names)),
        *(*pod.published(asked.ports), *flags, *known.flags),
        *[f"--volume={volume}" for volume in wish.volumes],
        *([f"--entrypoint={wish.entrypoint}"] if wish.entrypoint else []),
        *(image.id, *wish.command),
    )
    where = _where(asked, pod, number) | {"HEADWAY_PATIENCE": f"{patience(known.flags):.0f}"}
    code = room.run([OWN, "-c", '"$@" >"$HEADWAY_BRIEF/id"', "run", *argv], named | where)
    pod.publish(asked.ports if not code else {})
    ports = [str(inside) for inside in asked.ports]
    code = code or room.run([OWN, "-c", ANSWERS, "answers", *ports], where)
    if (known.health or image.health) and "--no-healthcheck" not in known.flags:
        code = code or room.run([OWN, "-c", HEALTHY, "healthy"], where)
    if code:
        room.hands.say(f"the last lines of the service {wish.name}:")
        room.run(pod.call("logs", "--tail", "50", wish.name), where)
        raise Failed(f"the service `{wish.name}` did not start", code="service-failed")
    return (pod.brief / "id").read_text("utf-8").strip()


def _where(asked: Asked, pod: Pod, number: int) -> dict[str, str]:
    return {
        "HEADWAY_BRIEF": str(pod.brief),
        "HEADWAY_NAME": asked.wish.name,
        "HEADWAY_ADDRESS": address(number),
    }


def patience(flags: tuple[str, ...]) -> float:
    """Seconds after which a service whose check keeps failing is not healthy: as many retries as it
    has, one interval each, after the start period. Here it is asked more often than that.
    """
    said = dict(flag.partition("=")[::2] for flag in flags)
    retries = said.get("--health-retries", "")
    count = int(retries) if re.fullmatch(r"[0-9]{1,6}", retries) else 0
    period = _seconds(said.get("--health-start-period", ""))
    interval = _seconds(said.get("--health-interval", "")) or INTERVAL_SECONDS
    return max(1.0, period + (count or RETRIES) * interval)


def _seconds(text: str) -> float:
    """`1m30s` and its like (Go's time.ParseDuration); 0 for what is no duration."""
    if not re.fullmatch(f"(?:{_PARTS.pattern})+", text):
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))
