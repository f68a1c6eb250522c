"""How much one expression may ask for. Called by every part that makes or reads texts and lists.

Length and depth are GitHub's. The third bound is one budget for an evaluation: every character that
a function reads or makes and every item that a filter takes is paid for, so that neither memory nor
time can grow without end.
"""

from headway.expression.terms import ExpressionError

MAX_LENGTH = 21_000  # UTF-16 units
MAX_DEPTH = 50
MAX_ARGUMENTS = 255
MAX_JSON_DEPTH = 200
BUDGET = 10 * 1024 * 1024
ITEM = 8  # a list's item, in characters
PARSED = 4  # a character of JSON that is parsed, in characters
FREE = 256  # what one operator may read without paying


class Meter:
    """What is left of the budget."""

    __slots__ = ("left",)

    def __init__(self, budget: int = BUDGET) -> None:
        self.left = budget

    def spend(self, amount: int) -> None:
        """Pay. Raises ExpressionError (`evaluation`) when nothing is left."""
        self.left -= amount
        if self.left < 0:
            raise ExpressionError("evaluation", "The maximum allowed memory size was exceeded")
