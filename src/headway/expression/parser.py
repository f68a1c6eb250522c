"""Tokens to a tree, by recursive descent; what is remembered of a parsed text.

Called by evaluator and templates. Which names exist is only known when an expression is evaluated,
so a text is parsed once, every name it mentions is noted, and `Parsed.verify` compares them with a
scope: of all faults the one that a reader of the text meets first is told, as in the reference.
"""

from collections.abc import Collection
from functools import lru_cache

from headway.expression.ast import Call, Compare, Context, Index, Literal, Logic, Node, Not
from headway.expression.functions import ARITIES, BUILT_IN, STATUS, Arity
from headway.expression.lexer import Lexer, Token
from headway.expression.limits import MAX_ARGUMENTS, MAX_DEPTH
from headway.expression.terms import ExpressionError, Uses
from headway.record import dataclass

_EQUALITY = frozenset(("==", "!="))
_ORDER = frozenset((">", ">=", "<", "<="))
_ANY = Arity(0, MAX_ARGUMENTS)


@dataclass(frozen=True, slots=True)
class Mention:
    """A context, or a function that is not built in. `fault`: what else is wrong with the call."""

    token: Token
    function: bool
    fault: ExpressionError | None = None

    def unknown(self) -> ExpressionError:
        """The error for a name that is not there."""
        what = "function" if self.function else "named-value"
        return _error(f"Unrecognized {what}", self.token)


@dataclass(frozen=True, slots=True)
class Parsed:
    """`tree` is None for an empty text and for one with an `error`."""

    text: str
    tree: Node | None
    error: ExpressionError | None
    mentions: tuple[Mention, ...]
    uses: Uses

    @property
    def asks_status(self) -> bool:
        """Whether success, failure, cancelled or always is called anywhere in it."""
        return any(name in STATUS for name, _ in self.uses.functions)

    def verify(self, contexts: Collection[str], functions: Collection[str]) -> None:
        """Raises ExpressionError (`lexing`, `parsing`) for the first fault."""
        for mention in self.mentions:
            if not known(mention.token.lexeme, functions if mention.function else contexts):
                raise mention.unknown().within(self.text)
            if mention.fault:
                raise mention.fault.within(self.text)
        if self.error:
            raise self.error.within(self.text)


def known(name: str, names: Collection[str]) -> bool:
    """Whether it is there, without case."""
    if name in names:
        return True
    lowered = name.lower()
    return any(lowered == other.lower() for other in names)


@lru_cache(maxsize=1024)
def parse(text: str, *, once: bool = False) -> Parsed:
    """Parse, or remember. `once`: see Lexer. Never raises: an error is part of the result."""
    tree, error, parser = None, None, None
    try:
        parser = Parser(Lexer(text, once=once).tokens())
        tree = parser.whole()
    except ExpressionError as found:
        error = ExpressionError(found.kind, str(found), found.position, line_start=found.line_start)
    if parser is None:
        return Parsed(text, tree, error, (), Uses((), ()))
    uses = Uses(tuple(parser.contexts), tuple(parser.functions))
    return Parsed(text, tree, error, tuple(parser.mentions), uses)


class Parser:
    """One pass over the tokens of one text. Precedence rises from `||` to the index."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0
        self.mentions: list[Mention] = []
        self.contexts: list[tuple[str, int]] = []
        self.functions: list[tuple[str, int]] = []

    def whole(self) -> Node | None:
        """The tree; None for no tokens. Raises ExpressionError (`parsing`)."""
        if self._peek.kind == "end":
            return None
        tree = self._expression()
        if self._peek.kind != "end":
            raise self._unexpected()
        return tree

    def _expression(self) -> Node:
        self._deeper()
        found = self._or()
        self._depth -= 1
        return found

    def _or(self) -> Node:
        first = self._and()
        if self._peek.kind != "||":
            return first
        self._deeper()
        operands = [first]
        while self._take("||"):
            operands.append(self._and())
        self._depth -= 1
        return Logic(every=False, operands=tuple(operands))

    def _and(self) -> Node:
        first = self._equality()
        if self._peek.kind != "&&":
            return first
        self._deeper()
        operands = [first]
        while self._take("&&"):
            operands.append(self._equality())
        self._depth -= 1
        return Logic(every=True, operands=tuple(operands))

    def _equality(self) -> Node:
        first = self._order()
        rest = []
        while self._peek.kind in _EQUALITY:
            operator = self._next().kind
            rest.append((operator, self._order()))
        return Compare(first, tuple(rest)) if rest else first

    def _order(self) -> Node:
        first = self._unary()
        rest = []
        while self._peek.kind in _ORDER:
            operator = self._next().kind
            rest.append((operator, self._unary()))
        return Compare(first, tuple(rest)) if rest else first

    def _unary(self) -> Node:
        """Nots are counted, not nested: fifty of them need no fifty calls."""
        nots = 0
        while self._take("!"):
            self._deeper()
            nots += 1
        found = self._indexed()
        self._depth -= nots
        for _ in range(nots):
            found = Not(found)
        return found

    def _indexed(self) -> Node:
        found, may_be_indexed = self._operand()
        before = self._depth
        while may_be_indexed and self._peek.kind in ("[", "."):
            found = self._bracket(found) if self._take("[") else self._dot(found)
        self._depth = before
        return found

    def _bracket(self, of: Node) -> Node:
        key = None if self._take("*") else self._expression()
        self._expect("]")
        self._deeper()
        return Index(of, key)

    def _dot(self, of: Node) -> Node:
        self._next()
        self._deeper()
        if self._peek.kind == "name":
            return Index(of, Literal(self._next().lexeme))
        self._expect("*")
        return Index(of, None)

    def _operand(self) -> tuple[Node, bool]:
        """The operand, and whether `.name` and `[key]` may follow it."""
        token = self._peek
        if token.kind == "name":
            return self._named(self._next()), True
        if token.kind == "constant":
            return Literal(self._next().value), False
        if self._take("("):
            return self._group(), True
        if token.kind == "end":
            raise self._ended()
        raise self._unexpected()

    def _group(self) -> Node:
        found = self._expression()
        if self._peek.kind == "end":
            raise self._ended()
        self._expect(")")
        return found

    def _named(self, token: Token) -> Node:
        name = token.lexeme.lower()
        if not self._take("("):
            self.contexts.append((name, token.start))
            self.mentions.append(Mention(token, function=False))
            return Context(token.lexeme)
        arguments = []
        while not self._take(")"):
            arguments.append(self._expression())
            if self._peek.kind != ")":
                self._expect(",")
        self._note_call(token, name, len(arguments))
        return Call(token.lexeme, tuple(arguments))

    def _note_call(self, token: Token, name: str, count: int) -> None:
        self.functions.append((name, token.start))
        words = ARITIES.get(name, _ANY).fault(name, count)
        fault = _error(words, token) if words else None
        if name not in BUILT_IN:
            self.mentions.append(Mention(token, function=True, fault=fault))
        elif fault:
            raise fault

    @property
    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take(self, kind: str) -> bool:
        if self._tokens[self._at].kind != kind:
            return False
        self._at += 1
        return True

    def _expect(self, kind: str) -> None:
        if not self._take(kind):
            raise self._unexpected()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _error(f"Exceeded max expression depth {MAX_DEPTH}", self._peek)

    def _unexpected(self) -> ExpressionError:
        return _error("Unexpected symbol", self._peek)

    def _ended(self) -> ExpressionError:
        return _error("Unexpected end of expression", self._tokens[self._at - 1])


def _error(words: str, token: Token) -> ExpressionError:
    message = f"{words}: '{token}'"
    return ExpressionError("parsing", message, token.start, line_start=token.line_start)
