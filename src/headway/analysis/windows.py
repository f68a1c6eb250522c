"""From two cumulative snapshots to the window between them, in spite of restarts. Called by flows.

A counter that fell, or a changed epoch, began anew: what it shows now was counted in this window,
as far as anybody can know. Every pair that leaves here has errors <= requests.
"""

from headway.model.window import Counts, Snapshot, VersionCounts, Window


def between(  # noqa: PLR0913
    before: Snapshot,
    after: Snapshot,
    *,
    candidate: str,
    stable: str | None,
    index: int,
    started_at: float,
    step: int,
    share: float,
) -> Window:
    """What happened from `before` to `after`. `started_at`: Unix seconds, the rollout's begin.

    A release without an entry in `after` gives None (no data). `stable` None says that there is
    no stable release: that side is an empty VersionCounts, so that it is not taken for a gap.
    """
    anew = before.epoch != after.epoch or before.bounds_ms != after.bounds_ms
    earlier = {} if anew else before.versions

    def side(release: str) -> VersionCounts | None:
        now = after.versions.get(release)
        return None if now is None else _growth(earlier.get(release), now)

    return Window(
        index=index,
        start=before.at - started_at,
        end=after.at - started_at,
        step=step,
        share=share,
        bounds_ms=after.bounds_ms,
        candidate=side(candidate),
        stable=VersionCounts(Counts(0, 0), {}) if stable is None else side(stable),
    )


def _growth(before: VersionCounts | None, after: VersionCounts) -> VersionCounts:
    if before is None:
        before = VersionCounts(Counts(0, 0), {})
    return VersionCounts(
        _increase(before.total, after.total),
        {
            key: _increase(before.instances.get(key, Counts(0, 0)), counts)
            for key, counts in after.instances.items()
        },
    )


def _increase(before: Counts, after: Counts) -> Counts:
    """Scalars and histogram are looked at apart: they come from different counters."""
    requests, errors = after.requests, after.errors
    if requests >= before.requests and errors >= before.errors:
        requests, errors = requests - before.requests, errors - before.errors
    buckets = after.buckets
    if len(buckets) == len(before.buckets):
        grown = tuple(a - b for a, b in zip(buckets, before.buckets, strict=True))
        buckets = grown if min(grown, default=0) >= 0 else buckets
    return Counts(requests, min(errors, requests), buckets)
