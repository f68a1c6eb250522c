"""Removes the work files of finished jobs, aside from the jobs. Called by course through runner.

A folder is first moved to HOME/runs/.trash, at once, then removed by a thread; what a process that
died has left there is removed when the next one begins to.
"""

import itertools
import os
import queue
import threading
from pathlib import Path

from headway.adapters.linux.trees import remove


class Trash:
    """One thread, started when it is first needed; `close` waits for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = itertools.count()
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def take(self, folder: Path) -> None:
        """The folder is gone; its files soon are. Raises OSError."""
        self._begin()
        name = f"{os.getpid()}-{next(self._names)}-{os.urandom(4).hex()}"
        folder.rename(self._folder / name)
        self._queue.put(self._folder / name)

    def close(self) -> None:
        """Wait until everything is removed."""
        with self._lock:
            if self._thread is not None:
                self._queue.put(None)
                self._thread.join()
                self._thread = None

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                for old in self._folder.iterdir():
                    if not _alive(old.name.partition("-")[0]):
                        self._queue.put(old)
                self._thread = threading.Thread(target=self._remove, daemon=True, name="trash")
                self._thread.start()

    def _remove(self) -> None:
        while (folder := self._queue.get()) is not None:
            try:
                remove(folder)
            except OSError:
                # It stays, and is tried again by the next process: nobody waits for it here.
                continue


def _alive(pid: str) -> bool:
    return Path("/proc", pid).exists()
