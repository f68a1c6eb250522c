"""When something that is to come is worth a word. Called by flows/notify_clock."""

DAYS = (7, 1)
LOW = 0.25
RESTORED = 0.35  # apart from LOW, so that a budget at the edge is not told again and again


def stage(days_left: int) -> int | None:
    """Which of the words about an end is due: 0 within a week, 1 on the last two days; None: none,
    or it is over.
    """
    due = [n for n, days in enumerate(DAYS) if 0 <= days_left <= days]
    return due[-1] if due else None


def budget(left: float, *, was_low: bool) -> str:
    """`slo.low` when less than a quarter of the error budget is left, `slo.restored` when it is
    more than a third again; "" while nothing changes. `left`: a share, negative when overspent.
    """
    if was_low:
        return "slo.restored" if left >= RESTORED else ""
    return "slo.low" if left < LOW else ""
