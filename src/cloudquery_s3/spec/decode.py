"""JSON bytes to options, as leniently as Go's decoder reads them. Source: docs/spec.md."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Model = TypeVar("Model", bound=BaseModel)

_INT64_DIGITS: Final = 19
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_SHOWN_CHARACTERS: Final = 60
_KINDS: Final = {
    "string_type": "a string",
    "literal_error": "a string",
    "int_type": "a whole number of at most 64 bits",
    "list_type": "a list of strings",
    "bool_type": "true or false",
    "model_type": "an object of named values",
    "dict_type": "an object of named values",
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
    model: type[Model], pairs: JsonObject, warnings: list[str], *, field: str = "", strict: bool = False
) -> Model:
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
    required = {name: info.annotation for name, info in model.model_fields.items() if info.is_required()}
    values: dict[str, object] = {name: {} if get_origin(kind) is dict else "" for name, kind in required.items()}
    try:
        return model.model_validate(values | _known(model, pairs, warnings, field=field, strict=strict))
    except ValidationError as error:
        raise _spec_error(error, field) from None


def _known(
    model: type[BaseModel], pairs: JsonObject, warnings: list[str], *, field: str, strict: bool
) -> dict[str, object]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        name = key.lower()
        if name not in model.model_fields:
            shown = quoted(key)
            message = f"is not an option{suggestion(name, model.model_fields)}"
            if strict:
                raise SpecError(f"{message}; remove it or mend its name", field=dotted(field, shown))
            warnings.append(f"{dotted(field, shown)}: {message}; it is ignored")
            continue
        if name in values:
            warnings.append(f"{dotted(field, name)}: is written more than once; the last one counts")
        values[name] = value
    for name, value in values.items():
        nested = _model_of(model.model_fields[name].annotation)
        if nested and isinstance(value, JsonObject):
            values[name] = decode(nested, value, warnings, field=dotted(field, name))
        elif get_origin(model.model_fields[name].annotation) is list and isinstance(value, JsonObject):
            values[name] = dict(value)  # an object is no list, though it is kept as one
    return {name: value for name, value in values.items() if value is not None}


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for a misspelt word, or "" where nothing is near."""
    near = get_close_matches(word, list(known), n=1)
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


def _model_of(annotation: object) -> type[BaseModel] | None:
    models = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    return models[0] if len(models) == 1 else None


def _spec_error(error: ValidationError, parent: str) -> SpecError:
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"]))
    message = f"must be {_KINDS[first['type']]}, not {_kind(first['input'])}"
    return SpecError(message, field=dotted(parent, name))


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
