"""LocalPlayer: journeys played by a process of this machine. Serves ports/journey_player."""

import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import msgspec

from headway import typed
from headway.adapters.beside.process import Beside
from headway.ports.journey_player import JourneyOrder, JourneyPlayer, Played
from headway.ports.source_host import SourceHost


class LocalPlayer(JourneyPlayer):
    """One player per place, in `home`/beside/ENVIRONMENT/SERVICE/player."""

    def __init__(self, home: Path, source: SourceHost) -> None:
        self._home = home.resolve()
        self._source = source

    def play(self, order: JourneyOrder) -> None:
        """See JourneyPlayer. Also raises Failed (`beside-died`)."""
        beside = self._beside(order.service, order.environment)
        checkout = self._checkout(beside.folder, order.repo, order.sha)
        content = {**asdict(order), "checkout": str(checkout), "path": _search_path()}
        beside.order(order.generation, msgspec.json.decode(msgspec.json.encode(content)))

    def _checkout(self, folder: Path, repo: str, sha: str) -> Path:
        """The commit's files, made once per commit; those of other commits are removed."""
        kept = folder / "checkouts" / sha
        if kept.exists():
            return kept
        shutil.rmtree(folder / "checkouts", ignore_errors=True)
        half = folder / "checkouts" / f".{sha}.{os.getpid()}"
        half.mkdir(parents=True, mode=0o700)
        self._source.checkout(repo, sha, str(half))
        half.rename(kept)
        return kept

    def read(self, service: str, environment: str) -> Played | None:
        """See JourneyPlayer. A player that died is started again, and counts from 0."""
        told = self._beside(service, environment).told()
        return None if told is None else typed.convert(told, Played)

    def stop(self, service: str, environment: str, generation: int) -> None:
        """See JourneyPlayer."""
        self._beside(service, environment).stop(generation)

    def _beside(self, service: str, environment: str) -> Beside:
        folder = self._home / "beside" / environment / service / "player"
        return Beside(folder, "headway.adapters.beside.play")


def _search_path() -> str:
    """The server's PATH without the environment Headway itself is installed in; the interpreter
    below it comes last.
    """
    own = {str(Path(sys.prefix) / "bin"), ""} if sys.prefix != sys.base_prefix else {""}
    given = (os.environ.get("PATH") or os.defpath).split(os.pathsep)
    kept = [folder for folder in given if folder not in own and folder.startswith("/")]
    return os.pathsep.join(dict.fromkeys([*kept, str(Path(sys.base_prefix) / "bin")]))
