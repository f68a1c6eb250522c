"""`headway.record.dataclass` behaves as the standard library's; each case is asked of both."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any

import msgspec
import pytest

from headway import record

BOTH = pytest.mark.parametrize("make", [dataclasses.dataclass, record.dataclass])


def point(make: Any) -> Any:
    @make(frozen=True, slots=True)
    class Point:
        """Two numbers, and words."""

        x: int
        y: int = 2
        words: dict[str, str] = field(default_factory=dict)
        hidden: int = field(default=0, repr=False, compare=False)

        @property
        def total(self) -> int:
            return self.x + self.y

    return Point


@BOTH
def test_instances(make: Any) -> None:
    made = point(make)
    one = made(1)
    assert (one.x, one.y, one.words, one.total) == (1, 2, {}, 3)
    assert one.words is not made(1).words
    assert one == made(x=1, y=2) == made(1, hidden=9)
    assert one != made(2)
    assert one != (1, 2, {})
    assert repr(one).endswith("Point(x=1, y=2, words={})")
    assert replace(one, y=5) == made(1, 5)
    assert made.__match_args__ == ("x", "y", "words", "hidden")
    assert [f.name for f in fields(made)] == ["x", "y", "words", "hidden"]
    assert dataclasses.is_dataclass(one)
    assert not hasattr(one, "__dict__")
    assert copy.copy(one) == copy.deepcopy(one) == one


@BOTH
@pytest.mark.parametrize(
    ("args", "more"), [((), {}), ((1, 2, {}, 4, 5), {}), ((1,), {"x": 1}), ((1,), {"z": 1})]
)
def test_wrong_arguments(make: Any, args: Any, more: Any) -> None:
    made = point(make)
    for _ in range(2):
        with pytest.raises(TypeError):
            made(*args, **more)


@BOTH
def test_nothing_can_be_changed(make: Any) -> None:
    one = point(make)(1)
    with pytest.raises(FrozenInstanceError):
        one.x = 2
    with pytest.raises(FrozenInstanceError):
        del one.x
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        one.new = 2
    with pytest.raises(TypeError):
        hash(one)  # of a dict


@BOTH
def test_hashes(make: Any) -> None:
    @make(frozen=True, slots=True)
    class Name:
        text: str
        number: int = field(default=0, compare=False)

    assert {Name("a"), Name("a", 1)} == {Name("a")}

    @make(slots=True)
    class Open:
        text: str = ""

    one = Open()
    one.text = "b"
    assert one == Open("b")
    with pytest.raises(TypeError):
        hash(one)

    @make(frozen=True, slots=True, eq=False)
    class Own:
        text: str = ""

    assert Own() != Own()
    assert len({Own(), Own()}) == 2


@BOTH
def test_inheritance_and_own_methods(make: Any) -> None:
    @make(frozen=True, slots=True)
    class Base:
        a: int
        b: int = 2

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError(self.a)

    @make(frozen=True, slots=True)
    class Derived(Base):
        b: int = 3
        c: int = 4

        def __repr__(self) -> str:
            return "mine"

    one = Derived(1)
    assert (one.a, one.b, one.c) == (1, 3, 4)
    assert Base(1).b == 2
    assert repr(one) == "mine"
    assert one != Base(1, 3)
    with pytest.raises(ValueError, match="-1"):
        Derived(-1)
    with pytest.raises(FrozenInstanceError):
        one.a = 2


@BOTH
def test_json_both_ways(make: Any) -> None:
    made = point(make)
    one = made(1, words={"a": "b"})
    text = msgspec.json.encode(one)
    assert text == b'{"x":1,"y":2,"words":{"a":"b"},"hidden":0}'
    assert msgspec.json.decode(text, type=made) == one
    assert msgspec.json.decode(b'{"x":1}', type=made) == made(1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b"{}", type=made)


@record.dataclass(frozen=True, slots=True)
class Kept:
    """At the top of a module, where pickle finds it."""

    a: int
    b: "Kept | None" = None


def test_pickled() -> None:
    one = Kept(1, Kept(2))
    assert pickle.loads(pickle.dumps(one)) == one
    assert repr(one) == "Kept(a=1, b=Kept(a=2, b=None))"


def test_what_it_cannot_make_is_said() -> None:
    with pytest.raises(TypeError, match=r"Odd\.a"):

        @record.dataclass(frozen=True)
        class Odd:
            a: int = field(default=0, init=False)

    with pytest.raises(TypeError, match=r"Words\.a"):

        @record.dataclass(frozen=True)
        class Words:
            a: int = field(kw_only=True)
