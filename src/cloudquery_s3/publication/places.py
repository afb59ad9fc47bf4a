"""Where manifests, publications and the latest one are, by a spec. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import PublicationError, TableError
from cloudquery_s3.object_key import MAX_KEY_BYTES, PLACEHOLDER_PATTERN, PathTemplate, within_a_segment
from cloudquery_s3.spec.manifest import SOURCE
from cloudquery_s3.stores.object_store import JSON, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cloudquery_s3.spec import Manifest, Spec

_SHAPES: Final = {
    "{{UUID}}": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "{{YEAR}}": r"\d{4}",
    "{{MONTH}}": r"\d\d",
    "{{DAY}}": r"\d\d",
    "{{HOUR}}": r"\d\d",
    "{{MINUTE}}": r"\d\d",
}
MANIFEST: Final = ObjectKind("the keys of `manifest.path`", JSON)
PUBLICATION: Final = ObjectKind("the folder of `manifest.path`", JSON)
LATEST: Final = ObjectKind("the keys of `manifest.latest`", JSON)
"""What documents about objects are, and what a policy has to allow for each."""

_SHARD: Final = re.compile(r"_\d+_\d+$")


def options_of(spec: Spec) -> Manifest:
    """Return a spec's manifest options.

    Raises:
        PublicationError: it asks for no manifest.
    """
    if spec.manifest is None:
        raise PublicationError("the spec writes no manifests: set `manifest` in it, and sync again")
    return spec.manifest


def manifest_key(spec: Spec, *, sync_id: str, attempt_id: str, started_at: datetime) -> str:
    """Return where a Write's manifest goes.

    Raises:
        PublicationError: the sync's id makes it longer than a key can be.
    """
    template = PathTemplate(options_of(spec).path, format="", sync_id=sync_id)
    try:
        return template.render("", file_id=attempt_id, now=started_at)
    except TableError:
        raise PublicationError(
            f"the manifest's key would have more than {MAX_KEY_BYTES} bytes: shorten `manifest.path` or the sync's id"
        ) from None


def manifest_prefix(spec: Spec, sync_id: str | None = None) -> str:
    """Return what every manifest's key begins with, or those of one sync."""
    path = options_of(spec).path
    if sync_id is not None:
        path = path.replace("{{SYNC_ID}}", within_a_segment(sync_id))
    return fixed_start(path)


def fixed_start(path: str) -> str:
    """Return what every key begins with that a path renders."""
    match = PLACEHOLDER_PATTERN.search(path)
    return path if match is None else path[: match.start()]


def key_pattern(path: str, *, file_format: str = "") -> re.Pattern[str]:
    """Return what matches the keys that a path can render, and nothing that differs in its fixed text.

    A placeholder whose shape is known matches that shape only; any other matches text without a slash.
    """
    parts: list[str] = []
    start = 0
    for match in PLACEHOLDER_PATTERN.finditer(path):
        shape = re.escape(file_format) if match[0] == "{{FORMAT}}" else _SHAPES.get(match[0], "[^/]*")
        parts += [re.escape(path[start : match.start()]), shape]
        start = match.end()
    return re.compile("".join([*parts, re.escape(path[start:])]))


def publication_key(spec: Spec, sync_id: str) -> str:
    """Return where the publication of a sync is."""
    return f"{publications_prefix(spec)}{within_a_segment(sync_id)}.json"


def publications_prefix(spec: Spec) -> str:
    """Return what the keys of all publications begin with."""
    return f"{options_of(spec).home}publications/"


def latest_keys(spec: Spec, sources: Iterable[str]) -> list[str]:
    """Return where the newest complete sync of these sources is told: one key, or with `{{SOURCE}}` one each."""
    options = options_of(spec)
    key = options.latest or f"{options.home}latest.json"
    if SOURCE not in key:
        return [key]
    return [key.replace(SOURCE, within_a_segment(source)) for source in sorted(sources)]


def latest_kind(spec: Spec) -> ObjectKind:
    """Return what the documents at these keys are: they lie beside the publications where the spec names no key."""
    return LATEST if options_of(spec).latest else PUBLICATION


def whole_source(source: str) -> str:
    """Return a source's own name where the CLI has added the shard to it: `aws_2_4` is shard 2 of 4 of `aws`."""
    return _SHARD.sub("", source)
