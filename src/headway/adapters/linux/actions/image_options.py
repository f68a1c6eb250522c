"""`options:` of a container or service: which flags are understood, and what podman is told.

An allow-list: flags of `docker create` (its public reference) that podman knows by the same name,
and that harm no other job. Pure; called by services and job_container.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_WITH_VALUE = {
    *("--add-host", "--blkio-weight", "--cap-add", "--cap-drop", "--cpu-period", "--cpu-quota"),
    *("--cpu-shares", "--cpus", "--cpuset-cpus", "--cpuset-mems", "--device", "--dns"),
    *("--dns-search", "--env", "--expose", "--group-add", "--health-cmd", "--health-interval"),
    *("--health-retries", "--health-start-period", "--health-timeout", "--hostname", "--ipc"),
    *("--label", "--memory", "--memory-reservation", "--memory-swap", "--memory-swappiness"),
    *("--mount", "--oom-score-adj", "--pids-limit", "--platform", "--security-opt", "--shm-size"),
    *("--stop-signal", "--stop-timeout", "--sysctl", "--tmpfs", "--ulimit", "--user", "--volume"),
    *("--workdir", "--name", "--network-alias", "--restart"),
}
_ALONE = {"--init", "--no-healthcheck", "--privileged", "--read-only", "--oom-kill-disable"}
_SHORT = {
    "-e": "--env",
    "-h": "--hostname",
    "-l": "--label",
    "-m": "--memory",
    "-u": "--user",
    "-v": "--volume",
    "-w": "--workdir",
    "-c": "--cpu-shares",
}
_OURS = {"--name", "--network-alias", "--restart"}
_POWER = {
    *("--privileged", "--cap-add", "--device", "--security-opt", "--ipc", "--volume", "--mount"),
    *("--sysctl", "--oom-score-adj", "--oom-kill-disable"),
}
_WHY = {
    "--network": "the network is the job's",
    "--net": "the network is the job's",
    "--entrypoint": "write `entrypoint` beside `image`, or leave it out",
    "--publish": "write `ports`",
    "-p": "write `ports`",
    "--rm": "it is removed with the job",
    "-d": "it is started in the background anyway",
}


class NotUnderstood(ValueError):
    """The message says which word and why."""


@dataclass(frozen=True, slots=True)
class Options:
    """`flags`: for podman, `--name=value`. `aliases`: more names in the job's network."""

    flags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def health(self) -> bool:
        """Whether a check of health is asked for."""
        return any(flag.startswith("--health-cmd=") for flag in self.flags)


def options(words: tuple[str, ...], *, trusted: bool) -> Options:
    """What the words mean. `trusted`: False refuses what reaches out of the container. Raises
    NotUnderstood.
    """
    flags: list[str] = []
    aliases: list[str] = []
    for name, value in _pairs(words):
        if name in _POWER and not trusted:
            raise NotUnderstood(f"the option `{name}` is not given to a change from outside")
        if name == "--network-alias":
            aliases.append(value)
        elif name not in _OURS:
            flags.append(f"{name}={value}" if value else name)
    return Options(tuple(flags), tuple(aliases))


def _pairs(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if len(name) > 2 and name[0] == "-" and name[1] != "-" and name[:2] in _SHORT:
            name, equals, value = name[:2], "=", word[2:].removeprefix("=")
        name = _SHORT.get(name, name)
        if name in _ALONE:
            yield name, value
        elif name in _WITH_VALUE:
            given = value if equals else next(left, None)
            if given is None:
                raise NotUnderstood(f"the option `{name}` has no value")
            yield name, given
        else:
            why = _WHY.get(name, "it is not known here")
            raise NotUnderstood(f"the option `{name[:60]}` cannot be used: {why}")
