"""The destinations of a CloudQuery file: which are this plugin's, and what around the plugin's own spec is wrong."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cloudquery_s3.spec.model import Options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudquery_s3.commands.spec_file import Document

_DOWNLOADED: Final = {"cloudquery", "github"}
"""Registries that the CLI downloads plugins from, by `team/name`."""

_REPLACING: Final = "overwrite-delete-stale"
"""The CLI's default of `write_mode`."""

_MISPLACED: Final = Options.model_fields.keys() - {"path"}
"""Options of the plugin that are not also the CLI's own."""


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


def plugin_specs(documents: list[Document], folder: Path) -> Iterator[PluginSpec]:
    """Yield the specs in a file that are this plugin's; other destinations and all sources are passed over.

    A document without `kind` is taken as the bare spec of the plugin.

    Args:
        documents: the file's.
        folder: from where the CLI is started, for a relative `path`.
    """
    for document in documents:
        content = document.content
        if not isinstance(content, dict):
            yield PluginSpec("spec", _sent(content), problems=["the document is not an object of named values"])
        elif "kind" not in content:
            yield _noted(PluginSpec("spec", _sent(content), missing=document.missing), document)
        elif content["kind"] == "destination":
            outer = content.get("spec")
            if not isinstance(outer, dict):
                yield PluginSpec("destination", b"{}", problems=["spec: is missing below kind: destination"])
            elif _may_be_s3(outer):
                yield _noted(_destination(outer, folder, document.missing), document)


def _may_be_s3(outer: dict[str, Any]) -> bool:
    downloaded = _registry(outer) in _DOWNLOADED
    return not downloaded or str(outer.get("path", "cloudquery/s3")).rpartition("/")[2] == "s3"


def _registry(outer: dict[str, Any]) -> str:
    return str(outer.get("registry") or "cloudquery")


def _destination(outer: dict[str, Any], folder: Path, missing: tuple[str, ...]) -> PluginSpec:
    found = PluginSpec(str(outer.get("name") or "destination"), _sent(outer.get("spec")), missing=missing)
    found.problems.extend(f"{key}: is missing" for key in ("name", "path") if not outer.get(key))
    found.problems.extend(
        f"{key}: is an option of the plugin: indent it, below spec.spec" for key in outer if key in _MISPLACED
    )
    _write_mode(outer, found)
    _place(outer, folder, found)
    return found


def _write_mode(outer: dict[str, Any], found: PluginSpec) -> None:
    mode = outer.get("write_mode", _REPLACING)
    if mode == _REPLACING:
        written = "" if "write_mode" in outer else ", which it is where nothing is written"
        found.problems.append(
            f"write_mode: {_REPLACING}{written}, fails at the end of the sync: rows cannot be deleted from objects; "
            "write write_mode: append"
        )
    elif mode != "append":
        found.warnings.append("write_mode: this plugin appends, whatever is written; write write_mode: append")


def _place(outer: dict[str, Any], folder: Path, found: PluginSpec) -> None:
    registry, path = _registry(outer), str(outer.get("path") or "")
    if registry in _DOWNLOADED:
        found.warnings.append(
            f"registry: {registry} starts the Go plugin; to start this one, write registry: local and its path"
        )
    if registry == "local" and path and "${" not in path and not _is_program(folder / path):
        found.warnings.append(
            f'path: "{path}" is not a program seen from {folder.resolve()}: the CLI looks nowhere else, and not in PATH'
        )


def _is_program(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except (OSError, ValueError):  # no name that a file could have
        return False


def _noted(found: PluginSpec, document: Document) -> PluginSpec:
    for name in document.missing:
        kind = "the file cannot be read" if name.startswith("file:") else "the environment has no such variable"
        found.problems.append(f"${{{name}}}: {kind}")
    found.warnings.extend(f"{key}: is written more than once; the last one counts" for key in document.repeated)
    return found


def _sent(spec: object) -> bytes:
    return json.dumps(spec).encode()
