"""What an option of the spec is, beyond its type: its words for the user and its JSON schema.

Groups of options are frozen dataclasses. pydantic would check them as well, and hold 9 MB for it in a process that
reads one spec.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class OptionGroup:
    """Options that stand together in a spec.

    Attributes:
        written: the names of those that the user has set.
    """

    written: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Option:
    """A field's annotation: the one place for what the schema and the documentation say of it.

    Attributes:
        about: its meaning to a user, as Markdown; the first sentence stands for the whole in a table.
        example: a value that somebody may write.
        nullable: whether the schema allows null. A sync takes null for "not set" everywhere.
        schema: JSON schema keywords to add. They may be stricter than what a sync accepts.
        default_text: the default in words, where the plain value would mislead.
    """

    about: str
    example: object
    nullable: bool = False
    schema: Mapping[str, object] = field(default_factory=dict)
    default_text: str = ""


class Decoding(Enum):
    """What decoding leaves to others."""

    CHOICE = auto()
    """Of a choice of texts: it wants a text; a rule finds out, in its turn, whether it is one of the choices."""

    LATER = auto()
    """All: the value is decoded when its turn comes."""


CHOICE = Decoding.CHOICE
LATER = Decoding.LATER


@dataclass(frozen=True, slots=True)
class Before:
    """What is done with a value as it was written, before its kind is looked at."""

    change: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """An option as its group has it.

    Attributes:
        kind: its type, such as `str` or `int | None`.
        option: what is said of it.
        decoding: what decoding leaves to others, or None.
        before: what is done with a value first.
        default: None where there is none, or where it is None.
        required: whether it has no default.
    """

    kind: Any
    option: Option
    decoding: Decoding | None
    before: tuple[Before, ...]
    default: Any
    required: bool

    @property
    def group(self) -> type[OptionGroup] | None:
        """The group that its value is, or None where it is none, or one of several."""
        parts = get_args(self.kind) or (self.kind,)
        groups = [part for part in parts if isinstance(part, type) and issubclass(part, OptionGroup)]
        return groups[0] if len(groups) == 1 else None


def fields_of(group: type[OptionGroup]) -> Mapping[str, Field]:
    """Return the options of a group by name, in order."""
    key: Any = group  # a type can be hashed, which mypy does not see
    return _fields_of(key)


@cache
def _fields_of(group: Any) -> Mapping[str, Field]:
    hints = get_type_hints(group, include_extras=True)
    marked = {one.name: (one, hints[one.name]) for one in dataclasses.fields(group)}
    return {name: _field(one, hint) for name, (one, hint) in marked.items() if hasattr(hint, "__metadata__")}


def _field(declared: dataclasses.Field[Any], hint: Any) -> Field:
    marks = hint.__metadata__
    has_factory = declared.default_factory is not dataclasses.MISSING
    return Field(
        kind=hint.__origin__,
        option=next(mark for mark in marks if isinstance(mark, Option)),
        decoding=next((mark for mark in marks if isinstance(mark, Decoding)), None),
        before=tuple(mark for mark in marks if isinstance(mark, Before)),
        default=None if declared.default is dataclasses.MISSING else declared.default,
        required=declared.default is dataclasses.MISSING and not has_factory,
    )


def values_of(group: OptionGroup) -> dict[str, Any]:
    """Return the values of a group by name, in order."""
    return {name: getattr(group, name) for name in fields_of(type(group))}


def without_none(kind: Any) -> Any:
    """Return what a kind is where it is not None: `int` of `int | None`."""
    parts = [part for part in get_args(kind) if part is not type(None)]
    return parts[0] if len(parts) == 1 and get_origin(kind) not in {list, dict} else kind
