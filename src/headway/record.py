"""`dataclass` as in the standard library, made in a fifth of its time.

A short command imports 150 such classes; the methods that the standard library writes and compiles
for each at once were a third of its start. Here the comparison, hash and repr are not compiled at
all, and `__init__` when the first instance is made. Everything else (fields, slots, inheritance,
`replace`, `fields`, `match`) is the standard library's own work.

Used by modules that a command loads before it does anything; the others may use either.
"""

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """See dataclasses.dataclass; other options of it are its alone, and so are fields by
        keyword only or not of `__init__`: they raise TypeError.
        """
        if cls is None:
            return lambda found: dataclass(found, frozen=frozen, slots=slots, eq=eq)
        return _made(cls, frozen, slots, eq)


def _made(cls: type, frozen: bool, slots: bool, eq: bool) -> type:  # noqa: FBT001  as written there
    own = set(cls.__dict__)
    bare: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    fields = dataclasses.fields(bare)
    _check(bare)
    more: dict[str, Any] = {"__repr__": _repr(fields), "__init__": _first_init(bare, frozen=frozen)}
    if eq:
        values = _values([f.name for f in fields if f.compare])
        more["__eq__"] = _equal(values)
        more["__hash__"] = _hash(values) if frozen else None
    if frozen:
        more |= {"__setattr__": _fixed(bare), "__delattr__": _fixed(bare)}
        more |= {"__getstate__": _state, "__setstate__": _restore}
    for name, value in more.items():
        if name not in own or (name == "__hash__" and cls.__dict__[name] is None):
            setattr(bare, name, value)
    return bare  # type: ignore[no-any-return]


def _check(bare: Any) -> None:
    for field in bare.__dataclass_fields__.values():
        if field.kw_only or not field.init or isinstance(field.type, dataclasses.InitVar):
            raise TypeError(f"{bare.__qualname__}.{field.name}: use dataclasses.dataclass for it")


def _values(names: list[str]) -> Any:
    """A function from an instance to the tuple of these attributes."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda _one: ()
    (name,) = names
    return lambda one: (getattr(one, name),)


def _equal(values: Any) -> Any:
    def equal(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    return equal


def _hash(values: Any) -> Any:
    return lambda self: hash(values(self))


def _repr(fields: tuple["dataclasses.Field[Any]", ...]) -> Any:
    names = [f.name for f in fields if f.repr]

    @recursive_repr()
    def shown(self: Any) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({told})"

    return shown


def _fixed(cls: type) -> Any:
    """Of an instance nothing can be set; of a subclass that is not frozen its own names."""
    names = frozenset(f.name for f in dataclasses.fields(cls))

    def refuse(self: Any, name: str, *value: Any) -> None:
        if type(self) is cls or name in names:
            verb = "assign to" if value else "delete"
            raise dataclasses.FrozenInstanceError(f"cannot {verb} field {name!r}")
        before: Any = super(cls, self)
        (before.__setattr__ if value else before.__delattr__)(name, *value)

    return refuse


def _state(self: Any) -> list[Any]:
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


def _first_init(cls: Any, *, frozen: bool) -> Any:
    def first(self: Any, *args: Any, **more: Any) -> None:
        made = _init(cls, frozen=frozen)
        cls.__init__ = made
        made(self, *args, **more)

    return first


def _init(cls: Any, *, frozen: bool) -> Any:
    """`__init__` as a person would write it, compiled."""
    known: dict[str, Any] = {"_put": object.__setattr__, "_NONE": object()}
    heads, body = ["self"], []
    for field in dataclasses.fields(cls):
        name, value = field.name, field.name
        if field.default is not dataclasses.MISSING:
            known[f"_{name}"] = field.default
            heads.append(f"{name}=_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            known[f"_{name}"] = field.default_factory
            heads.append(f"{name}=_NONE")
            value = f"_{name}() if {name} is _NONE else {name}"
        else:
            heads.append(name)
        body.append(f"_put(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    text = f"def __init__({', '.join(heads)}):\n " + "\n ".join(body or ["pass"])
    exec(compile(text, f"<init of {cls.__qualname__}>", "exec"), known)  # noqa: S102  own names only
    made = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made
