"""JSON bytes to options, as leniently as Go's decoder reads them. Source: docs/spec.md."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, get_origin

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec.option import Decoding, OptionGroup, fields_of, without_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Group = TypeVar("Group", bound=OptionGroup)

_INT64_DIGITS: Final = 19
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_SHOWN_CHARACTERS: Final = 60
_MOST_WARNINGS: Final = 20
"""How many unknown keys of an object are named: for each, the nearest option is looked for, which takes its time."""

_TEXT: Final = "a string"
_OBJECT: Final = "an object of named values"
_KINDS: Final[dict[Any, str]] = {
    str: _TEXT,
    Literal: _TEXT,
    int: "a whole number of at most 64 bits",
    bool: "true or false",
    list: "a list of strings",
    dict: _OBJECT,
}


class JsonObject(list[tuple[str, Any]]):
    """A JSON object as its pairs, in order, repeated keys included."""


def read_document(data: bytes) -> JsonObject:
    """Return the top-level object of a spec.

    Raises:
        SpecError: the bytes are not JSON, or not an object.
    """
    try:
        document = json.loads(
            data.decode(errors="replace"),
            object_pairs_hook=_object,
            parse_int=_int64,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise SpecError(f"the spec is not JSON ({_reason(error)})") from None
    if document is None:
        raise SpecError("the spec is empty: write at least bucket, region, path and format under `spec:`")
    if not isinstance(document, JsonObject):
        raise SpecError(f"the spec must be an object of named values, not {_kind(document)}")
    return document


def decode(
    model: type[Group], pairs: JsonObject, warnings: list[str], *, field: str = "", strict: bool = False
) -> Group:
    """Return an object's options, each of its JSON kind.

    Keys match whatever their case, the last of a repeated key wins, and null is the same as no key. A required option
    that is missing is empty: a rule says so in its turn.

    Args:
        model: which options there are.
        pairs: the JSON object.
        warnings: takes a line for every unknown or repeated key.
        field: the object's own name; empty at the top level.
        strict: whether an unknown key is an error.

    Raises:
        SpecError: a value has the wrong kind, or a key is unknown and `strict`.
    """
    written = _known(model, pairs, warnings, field=field, strict=strict)
    values: dict[str, Any] = {}
    for name, known in fields_of(model).items():
        if name in written:
            value = written[name]
            for before in known.before:
                value = before.change(value)
            if known.decoding is not Decoding.LATER:
                _raise_fault(_fault(known.kind, value), dotted(field, name))
            values[name] = value
        elif known.required:
            values[name] = {} if get_origin(known.kind) is dict else ""
    return model(**values, written=frozenset(values))


def _known(
    model: type[OptionGroup], pairs: JsonObject, warnings: list[str], *, field: str, strict: bool
) -> dict[str, object]:
    fields, values = fields_of(model), dict[str, Any]()
    unknown = 0
    for key, value in pairs:
        name = key.lower()
        if name not in fields:
            unknown += 1
            if unknown > _MOST_WARNINGS:
                continue
            shown = quoted(key)
            message = f"is not an option{suggestion(name, fields)}"
            if strict:
                raise SpecError(f"{message}; remove it or mend its name", field=dotted(field, shown))
            warnings.append(f"{dotted(field, shown)}: {message}; it is ignored")
            continue
        if name in values:
            warnings.append(f"{dotted(field, name)}: is written more than once; the last one counts")
        values[name] = value
    if unknown > _MOST_WARNINGS:
        warnings.append(f"{field or 'spec'}: {unknown - _MOST_WARNINGS} more keys are no options, and are ignored")
    for name, value in values.items():
        group = fields[name].group
        if group and isinstance(value, JsonObject):
            values[name] = decode(group, value, warnings, field=dotted(field, name))
    return {name: value for name, value in values.items() if value is not None}


class _Fault(NamedTuple):
    """A value of the wrong kind.

    Attributes:
        path: where it is in the option's value; empty for the value itself.
        expected: what it must be.
        value: what it is.
    """

    path: str
    expected: str
    value: object


def _fault(kind: Any, value: object) -> _Fault | None:
    """Return the first thing that is wrong with a value, or None where it is of its kind."""
    kind = without_none(kind)
    origin = get_origin(kind) or kind
    if origin is Literal:
        origin = str
    is_kind = isinstance(value, origin) and not (
        (origin is int and isinstance(value, bool)) or (origin is list and isinstance(value, JsonObject))
    )
    if not is_kind:
        return _Fault("", _KINDS.get(origin, _OBJECT), value)
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, list):
        items = enumerate(value)
    elif isinstance(value, dict):
        items = value.items()
    wrong = ((name, item) for name, item in items if not isinstance(item, str))
    return next((_Fault(f".{name}", _TEXT, item) for name, item in wrong), None)


def _raise_fault(fault: _Fault | None, field: str) -> None:
    if fault is not None:
        raise SpecError(f"must be {fault.expected}, not {_kind(fault.value)}", field=f"{field}{fault.path}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for a misspelt word, or "" where nothing is near."""
    near = get_close_matches(word[:_SHOWN_CHARACTERS], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def quoted(text: str) -> str:
    """Return a user's text for a message: short, on one line, bare where it is a plain word."""
    if re.fullmatch("[A-Za-z0-9_]{1,60}", text):
        return text
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return f'"{"".join(letter if letter.isprintable() else _REPLACEMENT for letter in cut)}"'


def dotted(parent: str, name: str) -> str:
    """Return a nested field's name as the user thinks of it: `credentials.role_arn`."""
    return f"{parent}.{name}" if parent else name


def _kind(value: object) -> str:
    kinds: Sequence[tuple[type, str]] = (
        (bool, "true or false"),
        (str, "a string"),
        (int, "a number"),
        (float, "a number with a fraction or exponent, or too large"),
        (JsonObject, "an object"),
        (dict, "an object"),
        (list, "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    return JsonObject((_text(key), _text(value) if isinstance(value, str) else value) for key, value in pairs)


def _text(text: str) -> str:
    return _SURROGATE.sub(_REPLACEMENT, text)


def _int64(text: str) -> int | float:
    if len(text) > _INT64_DIGITS + 1:
        return float("inf")
    number = int(text)
    return number if -(2**63) <= number < 2**63 else float(number)


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
