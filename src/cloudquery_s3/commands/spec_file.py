"""A user's YAML file, read as the CloudQuery CLI reads it.

Comments do not count, `${NAME}` is a variable of the environment, `${file:path}` a file's content. A quoted value stays
text, a bare one is read again once its variables are in: `${X}` of `007` is the number 7. Source: cli.md 6.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")
_MARK: Final = 7_130_468_205_917_362
"""Stands for a variable while YAML is parsed: a number, so that quotes around it are seen, and what they mean."""

_MARKED: Final = re.compile(rf"{_MARK}(\d{{4}})")
_FLOAT: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file.

    Attributes:
        content: what it holds: JSON's kinds only.
        missing: variables that are not set and files that cannot be read, each once; their text stays as written.
        repeated: keys that are written more than once; the last one counts.
    """

    content: Any
    missing: tuple[str, ...]
    repeated: tuple[str, ...]


def read_documents(path: Path, environment: Mapping[str, str] | None = None) -> list[Document]:
    """Return a file's documents, the empty ones left out.

    Raises:
        SpecError: it is not YAML, or not text.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return list(_documents(text, _Variables(os.environ if environment is None else environment)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        hint = "; put quotes around a value that begins with {{" if re.search(r":\s*\{\{", text) else ""
        raise SpecError(f"is not YAML: {error.problem or 'it cannot be read'}{where}{hint}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise SpecError("is not YAML: it is not UTF-8 text") from None
    except RecursionError:
        raise SpecError("is nested too deeply, or refers to itself") from None


def files_of(path: Path) -> list[Path]:
    """Return the file itself, or a folder's YAML files in the order of their names."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in {".yml", ".yaml"} and not file.name.startswith("."))


def _documents(text: str, variables: _Variables) -> Iterator[Document]:
    marked = _VARIABLE.sub(variables.mark, text)
    for node in yaml.compose_all(marked, Loader=_Loader):
        reading = _Reading(variables)
        content = reading.value(node)
        if content is not None:
            yield Document(content, tuple(reading.missing), tuple(reading.repeated))


class _Loader(yaml.SafeLoader):
    """YAML as the CLI's library takes it: dates are text, `1e3` is a number."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT.pattern})$"), list("-+0123456789."))


class _Variables:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._names: list[str] = []

    def mark(self, match: re.Match[str]) -> str:
        self._names.append(match[1])
        return f"{_MARK}{len(self._names) - 1:04}"

    def name(self, mark: re.Match[str]) -> str:
        return self._names[int(mark[1])]

    def value(self, name: str) -> str | None:
        """Return what takes a variable's place; None where there is nothing."""
        if name.startswith("time:"):
            return f"${{{name}}}"  # the moment of the sync, for newer CLIs: no moment is right here
        if not name.startswith("file:"):
            return self._environment.get(name)
        try:
            return Path(name.removeprefix("file:")).read_text(encoding="utf-8")
        except (OSError, ValueError):  # ValueError: no text, or no name that a file could have
            return None


@dataclass(slots=True)
class _Reading:
    """Turns one document's nodes into values, and notes what is odd."""

    variables: _Variables
    missing: dict[str, None] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    def value(self, node: yaml.Node | None) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        return self._scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                values = self._merged(value_node) | values
                continue
            key = str(self.value(key_node))
            if key in values:
                self.repeated.append(key)
            values[key] = self.value(value_node)
        return values

    def _merged(self, node: yaml.Node) -> dict[str, Any]:
        value = self.value(node)
        parts = value if isinstance(value, list) else [value]
        return {key: item for part in reversed(parts) if isinstance(part, dict) for key, item in part.items()}

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = _MARKED.sub(self._expand, node.value)
        if text == node.value:
            return _plain(node)
        if node.style is not None:
            return text
        again = yaml.compose(text, Loader=_Loader)
        return self.value(again)

    def _expand(self, mark: re.Match[str]) -> str:
        name = self.variables.name(mark)
        value = self.variables.value(name)
        if value is None:
            self.missing.setdefault(name)
            return f"${{{name}}}"
        return value


def _plain(node: yaml.Node) -> Any:
    """Return a scalar's value, with numbers as the CLI's JSON has them: `1.0` is 1."""
    loader = _Loader("")
    try:
        value = loader.construct_object(node)
    except (ValueError, LookupError):  # such as !!int "x": a number that is none
        return node.value
    finally:
        loader.dispose()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | int | float | bool | None) else node.value
