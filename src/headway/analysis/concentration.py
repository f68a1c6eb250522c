"""Errors that come from one instance of the candidate must not stand for the whole version.

A client that fails again and again (and stays with one instance) looks like a faulty version as
long as few clients use it. So an instance may only add as many errors as the others make likely;
what is beyond that is for the bets on single instances. Fewer errors mean less evidence, so that
bets stay honest whatever is left out. Called by `judge`.
"""

import math

from headway.analysis.dispersion import MOST_INSTANCES
from headway.model.window import VersionCounts

Known = dict[str, tuple[int, int, int]]  # instance -> errors, requests, errors believed

FEW = 3.0  # errors that any instance may have without the others
WIDE = 2.0  # standard deviations that it may be above them


def trimmed(known: Known, candidate: VersionCounts) -> tuple[Known, int]:
    """What is known after this window, and how many of its errors are believed."""
    each = {key: candidate.instances[key] for key in sorted(candidate.instances)[:MOST_INSTANCES]}
    if len(each) < 2:
        return {}, candidate.total.errors
    now: Known = {}
    for key, counts in each.items():
        errors, requests, believed = known.get(key, (0, 0, 0))
        now[key] = (errors + counts.errors, requests + counts.requests, believed)
    all_errors, all_requests = (sum(seen[i] for seen in now.values()) for i in (0, 1))
    left_out = 0
    for key, counts in each.items():
        errors, requests, believed = now[key]
        others = max(1, all_requests - requests)
        likely = (all_errors - errors) * requests / others
        room = max(0, math.floor(likely + WIDE * math.sqrt(likely) + FEW) - believed)
        more = min(counts.errors, room)
        now[key] = (errors, requests, believed + more)
        left_out += counts.errors - more
    return now, max(0, candidate.total.errors - left_out)
