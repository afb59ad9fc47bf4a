"""The destinations of a CloudQuery file: which are this plugin's, and what around the plugin's own spec is wrong."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cloudquery_s3.commands.cloudquery_file import DESTINATION_KEYS, DOWNLOADED, KINDS, REGISTRIES, WRITE_MODES
from cloudquery_s3.spec.decode import quoted, suggestion
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudquery_s3.commands.spec_file import Document

_REPLACING: Final = "overwrite-delete-stale"
"""The CLI's default of `write_mode`."""

_MISPLACED: Final = fields_of(Options).keys() - {"path"}
"""Options of the plugin that are not also the CLI's own."""

_NAMED_S3: Final = re.compile(r"(?<![a-z0-9])s3(?![a-z0-9])")


@dataclass(frozen=True, slots=True)
class PluginSpec:
    """A plugin's spec out of a file, and what was found around it.

    Attributes:
        name: what its user calls it.
        data: the spec as the CLI sends it, JSON.
        problems: why a sync would fail, whatever the spec says.
        warnings: what its user should know.
        missing: variables of the document that have no value.
    """

    name: str
    data: bytes
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: tuple[str, ...] = ()

    def awaits_variable(self, option: str) -> bool:
        """Tell whether an option's text still holds a variable without a value: nothing else can be said of it."""
        value = json.loads(self.data)
        for name in option.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return isinstance(value, str) and any(f"${{{name}}}" in value for name in self.missing)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a file's documents.

    Attributes:
        specs: this plugin's.
        problems: of documents that are nobody's.
        warnings: of documents that are another plugin's.
        notes: which destinations could be this plugin's, but are not named so.
        others: names of the destinations that are passed over.
    """

    specs: list[PluginSpec] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def contents(documents: list[Document], folder: Path, *, wanted: str = "") -> Contents:
    """Return the specs in a file that are this plugin's; other destinations and all sources are passed over.

    A document without `kind` is taken as the bare spec of the plugin. Of destinations only names decide: see `is_s3`.

    Args:
        documents: the file's.
        folder: from where the CLI is started, for a relative `path`.
        wanted: the one destination to take, whatever plugin its document names; all of this plugin's where empty.
    """
    found = Contents()
    for document in documents:
        content = document.content
        if not isinstance(content, dict):
            found.specs.append(PluginSpec("spec", b"null", problems=["the document is not an object of named values"]))
        elif "kind" not in content:
            found.specs.append(_noted(PluginSpec("spec", _sent(content), missing=document.missing), document))
        elif content["kind"] not in KINDS:
            hint = suggestion(str(content["kind"]), KINDS)
            found.problems.append(f"kind: {quoted(str(content['kind']))} is not one of {', '.join(KINDS)}{hint}")
        else:
            _of_kind(content["kind"], content.get("spec"), document, folder, found, wanted)
    if wanted:
        found.specs[:] = [spec for spec in found.specs if spec.name == wanted]
    return found


def _of_kind(kind: str, outer: object, document: Document, folder: Path, found: Contents, wanted: str) -> None:
    if not isinstance(outer, dict):
        found.problems.append(f"spec: is missing below kind: {kind}")
        return
    outer = {str(key).lower(): value for key, value in outer.items()}
    name = str(outer.get("name") or kind)
    if kind == "destination" and (name == wanted if wanted else is_s3(outer)):
        found.specs.append(_noted(_destination(name, outer, folder, document.missing), document))
        return
    if kind == "destination":
        found.others.append(name)
        if not wanted and _registry(outer) not in DOWNLOADED:
            found.notes.append(
                f"{name} is passed over, since neither its name nor the end of its path has s3 in it; if it is this "
                f"plugin, choose it with --destination {name}"
            )
    found.warnings.extend(f"{name}: {line}" for line in (*_unset(document.missing), *document.warnings))


def is_s3(outer: dict[str, Any]) -> bool:
    """Tell whether a destination is named as this plugin's.

    One that the CLI downloads is if the end of its path is `s3`; any other if its name, or the end of its path (a
    program, an image, an address), has the word `s3` in it. What is in its spec is no evidence: other plugins, too,
    have a bucket in a region.
    """
    program = re.split(r"[/\\]", str(outer.get("path") or ""))[-1].lower()
    if outer.get("path") and _registry(outer) in DOWNLOADED:
        return program == "s3"
    return bool(_NAMED_S3.search(str(outer.get("name") or "").lower()) or _NAMED_S3.search(program))


def duplicates(specs: list[PluginSpec]) -> Iterator[str]:
    """Yield the names that more than one destination has: the CLI refuses them."""
    names = [spec.name for spec in specs]
    yield from sorted({name for name in names if names.count(name) > 1})


def _registry(outer: dict[str, Any]) -> str:
    return str(outer.get("registry") or DOWNLOADED[0])


def _destination(name: str, outer: dict[str, Any], folder: Path, missing: tuple[str, ...]) -> PluginSpec:
    found = PluginSpec(name, _sent(outer.get("spec")), missing=missing)
    found.problems.extend(f"{key}: is missing" for key in ("name", "path") if not outer.get(key))
    for key in outer:
        if key in _MISPLACED:
            found.problems.append(f"{key}: is an option of the plugin: indent it, below spec.spec")
        elif key not in DESTINATION_KEYS:
            hint = suggestion(key, DESTINATION_KEYS)
            found.problems.append(f"{quoted(key)}: is not a key of a destination{hint}; the CLI refuses it")
    _write_mode(outer, found)
    _place(outer, folder, found)
    return found


def _write_mode(outer: dict[str, Any], found: PluginSpec) -> None:
    mode = outer.get("write_mode") or _REPLACING
    spec = outer.get("spec")
    has_tables = isinstance(spec, dict) and isinstance(spec.get("iceberg"), dict)
    if has_tables and mode in WRITE_MODES:
        return
    if mode == _REPLACING:
        written = "" if outer.get("write_mode") else ", the CLI's default,"
        found.problems.append(
            f"write_mode: {_REPLACING}{written} fails at the end of the sync, since rows cannot be deleted from "
            "objects; write write_mode: append"
        )
    elif mode not in WRITE_MODES:
        hint = suggestion(str(mode), WRITE_MODES)
        found.problems.append(f"write_mode: {quoted(str(mode))} is not a mode{hint}; write write_mode: append")
    elif mode != "append":
        found.warnings.append("write_mode: this plugin appends, whatever is written; write write_mode: append")


def _place(outer: dict[str, Any], folder: Path, found: PluginSpec) -> None:
    registry, path = _registry(outer), str(outer.get("path") or "")
    if registry not in REGISTRIES:
        hint = suggestion(registry, REGISTRIES)
        found.problems.append(f"registry: {quoted(registry)} is not one of {', '.join(REGISTRIES)}{hint}")
    if registry in DOWNLOADED:
        if not outer.get("version"):
            found.problems.append(f"version: is missing, which registry: {registry} needs")
        found.warnings.append(
            f"registry: {registry} starts the Go plugin; to start this one, write registry: local and its path"
        )
    if registry == "local" and path and "${" not in path and not _is_program(folder / path):
        found.problems.append(
            f"path: {quoted(path)} is not a program, seen from {folder.resolve()}: the CLI does not search PATH; write "
            "the path in full, as `which cloudquery-s3` prints it"
        )


def _is_program(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except (OSError, ValueError):  # no name that a file could have
        return False


def _noted(found: PluginSpec, document: Document) -> PluginSpec:
    found.problems.extend(_unset(document.missing))
    found.warnings.extend(document.warnings)
    return found


def _unset(missing: tuple[str, ...]) -> Iterator[str]:
    for name in missing:
        what = "the file cannot be read" if name.startswith("file:") else "the environment has no such variable"
        yield f"${{{name}}}: {what}"


def _sent(spec: object) -> bytes:
    return json.dumps(spec).encode()
