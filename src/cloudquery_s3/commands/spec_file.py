"""A user's file, read as the CloudQuery CLI reads it.

The CLI divides a file at each line `---`, takes the comments away by writing each document anew, puts the text of
variables into that, and only then reads it: a variable's text is YAML, and not always one value. `"${X}"` stays in
quotes, of which `'` become `"`; in a longer value, such as `"a-${X}"`, there are quotes only if the value would want
them without the variable. A number is set for each variable while comments are taken away, as the CLI does.

Source: cloudquery/cloudquery, cli/internal/specs/v0/spec_reader.go, as CLI 6.21.1 has it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

from cloudquery_s3.commands import go_yaml
from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudquery_s3.commands.go_yaml import Json

_VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")
_FILE: Final = re.compile(r"\$\{file:([^}]+)\}")
_MOMENT: Final = "time:"
"""Begins a variable that newer CLIs replace by a moment of the sync: no moment is right here, so that it stays."""

_MARK: Final = "5577006791{:06}411"
"""Stands for a variable while comments are taken away, by its number: as many digits as the CLI's numbers have.

It ends so that it does not survive in a number with a fraction or with digits before it, as the CLI's do not.
"""

_MARKED: Final = re.compile(r"5577006791(\d{6})411")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file.

    Attributes:
        content: what it holds, once its variables are in.
        missing: variables that are not set and files that cannot be read, each once; their text stays as written.
        warnings: what the CLI passes over in silence.
    """

    content: Json
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Section(NamedTuple):
    """A part of a file: a document's text, and how many lines there are before it."""

    text: str
    lines_before: int


def read_file(path: Path) -> str:
    """Return a file's text.

    Raises:
        SpecError: it is not text, or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecError("is not YAML: it is not UTF-8 text") from None
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}") from None


def sections(text: str) -> Iterator[Section]:
    """Yield the parts of a file that are a document each."""
    line = 0
    for part in go_yaml.documents(text):
        yield Section(part, line)
        line += part.count("\n") + 2


def read_document(section: Section, environment: Mapping[str, str] | None = None) -> Document:
    """Return a section's document; its content is None where it holds nothing.

    Args:
        section: of a file.
        environment: the variables; those of this process by default. Files are looked for from the current folder.

    Raises:
        SpecError: it is not YAML, or is not any more once its variables are in. The message holds no value.
    """
    return _Reading(os.environ if environment is None else environment, section.lines_before).document(section.text)


def read_documents(text: str, environment: Mapping[str, str] | None = None) -> list[Document]:
    """Return a file's documents, without those that hold nothing; see `read_document`."""
    documents = (read_document(section, environment) for section in sections(text))
    return [document for document in documents if document.content is not None]


def files_of(path: Path) -> list[Path]:
    """Return the file itself, or a folder's YAML files in the order of their names."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in {".yml", ".yaml"} and not file.name.startswith("."))


@dataclass(slots=True)
class _Reading:
    """Reads one document, and notes what is missing."""

    environment: Mapping[str, str]
    lines_before: int
    names: list[str] = field(default_factory=list)
    missing: dict[str, None] = field(default_factory=dict)

    def document(self, section: str) -> Document:
        loaded = self._first(section)
        warnings = [f"{key}: is written more than once; the last one counts" for key in loaded.repeated]
        if loaded.further:
            line = self.lines_before + loaded.further
            warnings.append(f"line {line}: from here on nothing is read: write --- alone on a line between documents")
        without_comments = _MARKED.sub(self._unmark, go_yaml.dump(loaded.value))
        content = self._second(without_comments)
        return Document(content, tuple(self.missing), tuple(warnings))

    def _first(self, section: str) -> go_yaml.Loaded:
        try:
            return go_yaml.load(_VARIABLE.sub(self._mark, section))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f" at line {self.lines_before + mark.line + 1}, column {mark.column + 1}" if mark else ""
            braces = re.search(r":\s*\{\{", section)
            hint = "; put quotes around a value that begins with {{" if braces else ""
            raise SpecError(f"is not YAML: {error.problem or 'it cannot be read'}{where}{hint}") from None
        except yaml.YAMLError:
            raise SpecError("is not YAML: it holds characters that YAML does not allow") from None
        except RecursionError:
            raise SpecError("is nested too deeply, or refers to itself") from None

    def _mark(self, match: re.Match[str]) -> str:
        self.names.append(match[1])
        return _MARK.format(len(self.names) - 1)

    def _unmark(self, mark: re.Match[str]) -> str:
        number = int(mark[1])
        return f"${{{self.names[number]}}}" if number < len(self.names) else mark[0]

    def _second(self, text: str) -> Json:
        try:
            return go_yaml.load(self._expanded(text)).value
        except (yaml.YAMLError, RecursionError):
            culprits = [name for name in dict.fromkeys(self.names) if self._breaks(text, name)]
            listed = ", ".join(f"${{{name}}}" for name in culprits) or "its variables"
            raise SpecError(
                f"is not YAML any more once {listed} is put in: the CLI puts the text of a variable in before it reads "
                "the file; put quotes around the variable alone, and escape quotes and backslashes in its text"
            ) from None

    def _breaks(self, text: str, name: str) -> bool:
        try:
            go_yaml.load(text.replace(f"${{{name}}}", self._value(name) or ""))
        except (yaml.YAMLError, RecursionError):
            return True
        return False

    def _expanded(self, text: str) -> str:
        with_files = _FILE.sub(lambda match: self._value(f"file:{match[1]}") or self._noted(match), text)
        return _VARIABLE.sub(self._of_environment, with_files)

    def _of_environment(self, match: re.Match[str]) -> str:
        value = self.environment.get(match[1])
        return self._noted(match) if value is None else value

    def _noted(self, match: re.Match[str]) -> str:
        name = match[0][2:-1]
        if not name.startswith(_MOMENT):
            self.missing.setdefault(name)
        return match[0]

    def _value(self, name: str) -> str | None:
        if not name.startswith("file:"):
            return self.environment.get(name)
        try:
            content = Path(name.removeprefix("file:")).read_text(encoding="utf-8")
        except (OSError, ValueError):  # ValueError: no text, or no name that a file could have
            return None
        return _escaped(content) if re.search(r"[\r\n]", content) else content


def _escaped(content: str) -> str:
    """Return JSON of several lines as what may stand within quotes; any other text as it is."""
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return content
    return json.dumps(content, ensure_ascii=False)[1:-1]
