"""How often something may happen under a name: a bucket of permits that fills again.

Called by api/webhook, from the event loop only.
"""

MOST_NAMES = 10_000


class Pace:
    """`burst` at once, then `per_second`. Names that were quiet are forgotten."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = burst
        self._rate = per_second
        self._left: dict[str, tuple[float, float]] = {}

    def allows(self, name: str, now: float) -> bool:
        """Take one permit; `now` in seconds of any clock that does not go back."""
        left, since = self._left.get(name, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._rate)
        good = left >= 1.0
        if name not in self._left and len(self._left) >= MOST_NAMES:
            self._forget(now)
        self._left[name] = (left - 1.0 if good else left, now)
        return good

    def _forget(self, now: float) -> None:
        full = self._burst / self._rate
        self._left = {n: (b, at) for n, (b, at) in self._left.items() if now - at < full}
