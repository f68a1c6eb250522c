"""Expressions and contexts made at random, as nasty as they come. Called by the oracle's tests."""

import json
import re
import struct
import unicodedata
from math import isfinite
from pathlib import Path
from random import Random
from typing import Any

# `constructor` and `__proto__` are left out: the reference finds them in every object, by accident.
NAMES = ("github", "env", "matrix", "Needs", "steps", "a", "A", "_x-1", "inputs", "nothing")
WORDS = json.loads(Path(__file__).with_name("expression_words.json").read_text("utf-8"))
KEYS: list[str] = WORDS["keys"]
NUMBERS: list[float] = WORDS["numbers"]
LITERALS: list[str] = WORDS["literals"]
FAULTY: list[str] = WORDS["faulty"]
TEXTS: list[str] = WORDS["texts"]
NOISE: list[str] = WORDS["noise"]
FUNCTIONS = {
    "contains": (2,), "startsWith": (2,), "endsWith": (2,), "format": (1, 2, 3, 4), "join": (1, 2),
    "toJSON": (1,), "fromJSON": (1,), "case": (3, 5), "success": (0, 2), "failure": (0,),
    "always": (0,), "cancelled": (0,), "hashFiles": (1, 2),
}  # fmt: skip
NEWLY_CASED = "\u019b\u0264"  # old letters that got an upper case in Unicode 16
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
PLACES = ("0", "1", "2", "-1", "1.9", "-0", "null", "true", "1e3", "NaN")
NAME = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
BLANKS = ("", "", "", "", " ", " ", "  ", "\n", "\t", "\r\n", " \n ")


def case(seed: str) -> dict[str, Any]:
    """One line for the oracle. The same seed gives the same line."""
    return Maker(Random(seed)).case()


class Maker:
    """Makes one case."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.contexts: dict[str, Any] = {}
        self.keys = ["nothing"]

    def case(self) -> dict[str, Any]:
        """Contexts first, because expressions are to find something in them."""
        random = self.random
        names = random.sample(NAMES[:-1], random.randint(0, 5))
        self.contexts = {name: self.value(random.randint(0, 4)) for name in names}
        expression = self.expression(random.choice((0, 1, 1, 2, 2, 3, 4)))
        if random.random() < 0.01:
            expression = self.deep(expression)
        for _ in range(random.choice((0,) * 16 + (1, 2))):
            expression = self.spoil(expression)
        status = random.choice(("success", "failure", "cancelled"))
        return {"expr": expression, "contexts": self.contexts, "status": status}

    def value(self, depth: int) -> Any:
        """A value of a context."""
        pick = self.random.random()
        if depth and pick < 0.4:
            keys = self.random.sample(KEYS, self.random.randint(0, 5))
            self.keys += keys
            return {key: self.value(depth - 1) for key in keys}
        if depth and pick < 0.65:
            return [self.value(depth - 1) for _ in range(self.random.randint(0, 4))]
        return self.random.choice((self.text, self.text, self.number, self.word))()

    def word(self) -> Any:
        return self.random.choice((None, True, False))

    def number(self) -> float:
        if self.random.random() < 0.6:
            return self.random.choice(NUMBERS)
        if self.random.random() < 0.5:
            return round(self.random.uniform(-1e6, 1e6), self.random.randint(0, 12))
        found: float = struct.unpack("<d", self.random.randbytes(8))[0]
        return found if isfinite(found) else 7.0

    def text(self) -> str:
        random = self.random
        pick = random.random()
        if pick < 0.75:
            return random.choice(TEXTS)
        if pick < 0.85:
            return random.choice(TEXTS) + random.choice(TEXTS)
        if pick < 0.93:
            return "".join(self.letter() for _ in range(random.randint(1, 4)))
        return json.dumps(self.value(3), ensure_ascii=random.random() < 0.5)

    def letter(self) -> str:
        """Any character that Unicode 3.2 knew: newer ones have a case in one program only."""
        found = chr(
            self.random.choice((self.random.randrange(0x2500), self.random.randrange(0x1E000)))
        )
        old = unicodedata.ucd_3_2_0.category(found) not in ("Cn", "Cs")
        return found if old and found not in NEWLY_CASED else "Σ"

    def expression(self, depth: int) -> str:
        """An expression that is right in nearly all cases."""
        random = self.random
        if depth == 0:
            return self.leaf()
        deeper = depth - 1
        pick = random.random()
        if pick < 0.2:
            operator = random.choice(COMPARISONS)
            return self.spread(self.expression(deeper), operator, self.expression(deeper))
        if pick < 0.35:
            operator = random.choice(("&&", "||"))
            return self.spread(
                *[
                    x
                    for _ in range(random.randint(1, 3))
                    for x in (self.expression(deeper), operator)
                ],
                self.expression(deeper),
            )
        if pick < 0.42:
            return "!" + random.choice(BLANKS) + self.expression(deeper)
        if pick < 0.5:
            return self.indexed("(" + self.spread(self.expression(deeper)) + ")", deeper)
        if pick < 0.85:
            return self.indexed(self.call(deeper), deeper)
        return self.indexed(self.name(), depth)

    def leaf(self) -> str:
        pick = self.random.random()
        if pick < 0.35:
            return self.random.choice(LITERALS if pick > 0.004 else FAULTY)
        if pick < 0.65:
            return self.quoted(self.text())
        return self.indexed(self.name(), 1) if self.contexts else self.quoted(self.text())

    def quoted(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def name(self) -> str:
        random = self.random
        if not self.contexts or random.random() < 0.02:
            return random.choice(NAMES)
        name = random.choice(list(self.contexts))
        return random.choice((name, name, name.upper(), name.swapcase()))

    def indexed(self, of: str, depth: int) -> str:
        for _ in range(
            self.random.choice((0, 1, 1, 2, 2, 3)) if depth else self.random.choice((0, 0, 1))
        ):
            of += self.index(max(depth - 1, 0))
        return of

    def index(self, depth: int) -> str:
        random = self.random
        pick = random.random()
        if pick < 0.2:
            return random.choice((".*", "[*]", "[ * ]", ". *"))
        if pick < 0.45:
            return random.choice(BLANKS[:8]) + "." + self.key(name=True)
        if pick < 0.6:
            return f"[{random.choice(PLACES)}]"
        if pick < 0.85:
            return f"[{self.quoted(self.key())}]"
        return f"[{self.spread(self.expression(min(depth, 1)))}]"

    def key(self, *, name: bool = False) -> str:
        """Mostly one that is there, in some case. `name`: one that may follow a dot."""
        random = self.random
        found = random.choice(self.keys if random.random() < 0.8 else KEYS)
        found = random.choice((found, found, found.upper(), found.lower()))
        return found if not name or NAME.fullmatch(found) else random.choice(KEYS[:10])

    def call(self, depth: int) -> str:
        random = self.random
        name = random.choice(list(FUNCTIONS))
        count = random.choice(FUNCTIONS[name])
        if random.random() < 0.03:
            count, name = random.randint(0, 6), random.choice((name, "nope", "HASHFILES"))
        given = [self.argument(name, place, depth) for place in range(count)]
        shown = random.choice((name, name, name.lower(), name.upper()))
        comma = "," if random.random() < 0.01 else ""
        return f"{shown}{random.choice(('', '', ' '))}({self.spread(', '.join(given) + comma)})"

    def argument(self, name: str, place: int, depth: int) -> str:
        """Mostly something that the function likes."""
        random = self.random
        if random.random() < 0.4:
            return self.expression(depth)
        if name == "case" and place % 2 == 0:
            return random.choice(("true", "false", "1 == 1", "!1", "success()"))
        if name == "format" and place == 0:
            return self.quoted(random.choice([text for text in TEXTS if set(text) & set("{}")]))
        if name == "fromJSON":
            wild = json.dumps(self.value(3), ensure_ascii=random.random() < 0.5)
            return random.choice(
                (self.quoted(wild), f"toJSON({self.expression(0)})", self.quoted(self.text()))
            )
        return self.expression(min(depth, 1))

    def spread(self, *parts: str) -> str:
        found = self.random.choice(BLANKS)
        for part in parts:
            found += part + self.random.choice(BLANKS)
        return found

    def deep(self, expression: str) -> str:
        """Around the greatest depth."""
        levels = self.random.randint(40, 52)
        opening, closing = self.random.choice((("(", ")"), ("!", ""), ("case(1, ", ", 2)")))
        return opening * levels + expression + closing * levels

    def spoil(self, expression: str) -> str:
        """One character more, or a few less."""
        at = self.random.randint(0, len(expression))
        if self.random.random() < 0.5:
            return expression[:at] + self.random.choice(NOISE) + expression[at:]
        return expression[:at] + expression[at + self.random.randint(1, 3) :]
