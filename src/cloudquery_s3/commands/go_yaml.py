"""YAML as the CloudQuery CLI reads and writes it: Go's yaml.v2 by way of JSON. Pure.

It is YAML 1.1 with habits of its own: `y` and `on` are true, dates are text, `0o17` and `0x1f` are numbers, a key is
text, the last of a repeated key counts, and of several documents in one text only the first is read.

A tab in the middle of a value without quotes, which Go's library takes, is refused here. Source: gopkg.in/yaml.v2 2.4
below github.com/ghodss/yaml 1.0, as CLI 6.21.1 has them.
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Json: TypeAlias = Any
"""What JSON can hold: None, bool, int, float, str, list, and dict with keys of text."""

_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = ""
"""The tag of a scalar without quotes and without a tag of its own: its text decides what it is."""

_TEXT: Final = f"{_TAG}str"

_WORDS: Final[dict[str, Json]] = {
    form: value
    for value, words in {
        True: ("y", "yes", "true", "on"),
        False: ("n", "no", "false", "off"),
        None: ("~", "null"),
    }.items()
    for word in words
    for form in (word, word.capitalize(), word.upper())
} | {"": None}
_INFINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DATE: Final = re.compile(
    r"\d{4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12]\d|3[01])"
    r"(?:[Tt]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?)?"
)
_INT: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_OTHER_LINE_ENDS: Final = re.compile("[\x85\u2028\u2029]")
_MOST_DIGITS: Final = 20
"""As many has the largest whole number that Go's library reads as one; Python refuses to read thousands."""
_EXACT_FLOAT: Final = 1e21
"""Below it, Go writes a whole float into JSON without a fraction or an exponent."""


@dataclass(slots=True)
class Loaded:
    """What a text holds.

    Attributes:
        value: its first document.
        repeated: keys that are written more than once, as often as they are repeated.
        further: the line at which a second document begins, from 1; 0 where there is none.
    """

    value: Json
    repeated: list[str] = field(default_factory=list)
    further: int = 0


def load(text: str) -> Loaded:
    """Return the first document of a text.

    Raises:
        yaml.YAMLError: it is not YAML, or holds what JSON cannot.
        RecursionError: it refers to itself, or is nested too deeply.
    """
    loader = _Loader(text)
    try:
        node = loader.compose_document() if loader.check_node() else None
        if node is None:
            return Loaded(None)
        reading = _Reading()
        return Loaded(reading.value(node), reading.repeated, _line_of_more(loader))
    finally:
        loader.dispose()


def dump(value: Json) -> str:
    """Return a value as YAML: what `load` reads again, without comments, in the quotes that Go's library chooses."""
    text = str(yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=True))
    return text if isinstance(value, dict | list) else text.removesuffix("...\n")


def _line_of_more(loader: _Loader) -> int:
    try:
        more = not loader.check_event(yaml.StreamEndEvent)
        return int(loader.peek_event().start_mark.line) + 1 if more else 0  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:  # it is not read, so that it need not be YAML
        return error.problem_mark.line + 1 if error.problem_mark else 1


class _Loader(yaml.SafeLoader):
    def scan_to_next_token(self) -> None:
        """Pass over tabs too, where they cannot be indentation."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _TEXT
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class _Reading:
    repeated: list[str] = field(default_factory=list)

    def value(self, node: yaml.Node) -> Json:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, float):
            if not math.isfinite(value):
                raise yaml.MarkedYAMLError(problem="a number that JSON does not have", problem_mark=node.start_mark)
            whole = value.is_integer() and abs(value) < _EXACT_FLOAT
            return int(Decimal(repr(value))) if whole else value
        return value

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Json]:
        values: dict[str, Json] = {}
        merged: dict[str, Json] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge" or (key_node.tag == _PLAIN and key_node.value == "<<"):
                merged = self._merged(value_node) | merged
                continue
            key = self._key(key_node)
            if key in values:
                self.repeated.append(key)
            values[key] = self.value(value_node)
        return merged | values

    def _merged(self, node: yaml.Node) -> dict[str, Json]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Json] = {}
        for part in reversed(parts):
            if not isinstance(part, yaml.MappingNode):
                raise yaml.MarkedYAMLError(problem="<< wants an object to merge", problem_mark=part.start_mark)
            merged |= self._mapping(part)
        return merged

    def _key(self, node: yaml.Node) -> str:
        key = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if key is None or (isinstance(key, int) and key >= 2**63):
            raise yaml.MarkedYAMLError(problem="a key that cannot be text", problem_mark=node.start_mark)
        if isinstance(key, bool):
            return str(key).lower()
        return f"{key:g}" if isinstance(key, float) else str(key)


def _scalar(node: yaml.ScalarNode) -> Json:
    tag, text = node.tag, str(node.value)
    if tag == f"{_TAG}binary":
        try:
            return base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True).decode(errors="replace")
        except ValueError:  # letters that base64 does not have, or that are not ASCII
            raise yaml.MarkedYAMLError(problem="!!binary of no base64", problem_mark=node.start_mark) from None
    wanted = tag.removeprefix(_TAG)
    if wanted not in {_PLAIN, "bool", "int", "float", "null", "timestamp"}:
        return text
    kind, value = resolve(text, dates=wanted in {_PLAIN, "timestamp"})
    if wanted == "float" and kind == "int":
        return float(value)
    if wanted not in {_PLAIN, kind}:
        raise yaml.MarkedYAMLError(problem=f"!!{wanted} of another kind of value", problem_mark=node.start_mark)
    return value


def resolve(text: str, *, dates: bool = True) -> tuple[str, Json]:
    """Return what a scalar without quotes is: its kind, as YAML's tags name it, and its value."""
    if text in _WORDS:
        value = _WORDS[text]
        return "null" if value is None else "bool", value
    if _INFINITE.fullmatch(text):
        return "float", float(text.replace(".", "").lower())
    if dates and _DATE.fullmatch(text):
        return "timestamp", text
    if not re.match(r"[-+.0-9]", text):
        return "str", text
    return _number(text)


def _number(text: str) -> tuple[str, Json]:
    plain = text if text.startswith(".") else text.replace("_", "")
    whole = _INT.fullmatch(plain)
    if whole and len(whole[5] or "") <= _MOST_DIGITS:
        digits = next((found, base) for found, base in zip(whole.groups()[1:], (16, 2, 8, 10), strict=True) if found)
        value = int(whole[1] + digits[0], digits[1])
        if -(2**63) <= value < (2**63 if whole[1] else 2**64):
            return "int", value
    number = float(plain) if _FLOAT.fullmatch(plain) else math.inf
    return ("float", number) if math.isfinite(number) else ("str", text)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True

    def represent_text(self, data: str) -> yaml.Node:
        style = None
        if "\n" in data:
            style = "|"
        elif resolve(data)[0] != "str" or data == "<<" or _BASE_60.fullmatch(data) or _OTHER_LINE_ENDS.search(data):
            style = '"'
        return self.represent_scalar(_TEXT, data, style=style)

    def represent_plain(self, data: object) -> yaml.Node:
        words: dict[object, str] = {None: "null", True: "true", False: "false"}
        return self.represent_scalar(_TEXT, words[data] if data is None or isinstance(data, bool) else str(data))

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """Let no scalar have a tag: its style says all."""
        if kind is yaml.ScalarNode:
            return _TEXT
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


_Dumper.add_representer(str, _Dumper.represent_text)
for _kind in (bool, int, float, type(None)):
    _Dumper.add_representer(_kind, _Dumper.represent_plain)


def documents(text: str) -> Iterator[str]:
    """Yield the parts of a file that the CLI takes for a document each: `---` alone on its line divides them."""
    yield from text.replace("\r\n", "\n").split("\n---\n")
