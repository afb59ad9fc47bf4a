"""The options of the manifest, and what makes them impossible."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from cloudquery_s3.errors import SpecError
from cloudquery_s3.object_key import MAX_KEY_BYTES, literal_bytes
from cloudquery_s3.spec.option import Option, OptionGroup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFAULT_PATH: Final = "_cloudquery/manifests/sync_id={{SYNC_ID}}/{{UUID}}.json"
SOURCE: Final = "{{SOURCE}}"
"""The placeholder of `latest` alone."""

_IN_MANIFEST: Final = frozenset(
    {"{{SYNC_ID}}", "{{UUID}}", "{{YEAR}}", "{{MONTH}}", "{{DAY}}", "{{HOUR}}", "{{MINUTE}}"}
)
_OF_A_TABLE: Final = ("{{TABLE}}", "{{TABLE_HYPHEN}}")
_IN_BRACES: Final = re.compile(r"\{\{[^{}]*\}\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_KEY_FAULTS: Final = r"//|\./|/$|(^|/)\.\.?$"
_MAX_PART: Final = 100


@dataclass(frozen=True, kw_only=True)
class Manifest(OptionGroup):
    """What a Write tells its readers when it ends."""

    path: Annotated[
        str,
        Option(
            "Where a Write's manifest goes: a key with `{{SYNC_ID}}` and `{{UUID}}`, and the placeholders of the date "
            "if wanted. It begins with a folder that has no placeholder in its name, and never lies where a table's "
            "objects are.",
            example=DEFAULT_PATH,
            schema={"pattern": "^[^/].*$", "not": {"pattern": _KEY_FAULTS}},
        ),
    ] = DEFAULT_PATH
    part: Annotated[
        str,
        Option(
            "The name of this shard, where several CLIs write one sync together. Such a sync counts once "
            "`cloudquery-s3 publish` has seen all of its parts.",
            example="${JOB_COMPLETION_INDEX}",
            schema={"maxLength": _MAX_PART},
        ),
    ] = ""
    statistics: Annotated[
        bool,
        Option(
            "Whether the manifest also has, for each column of each object, how many cells are NULL, and for Parquet "
            "the smallest and the largest value. These are the only cell values that ever leave the objects.",
            example=True,
        ),
    ] = False
    latest: Annotated[
        str,
        Option(
            "A key at which the newest complete sync's manifest is found. After a complete Write without `part` the "
            "plugin puts the same document there: the last writer wins. `publish` replaces it in the order of the "
            "syncs. `{{SOURCE}}` in it keeps several sources apart.",
            example="_cloudquery/latest/{{SOURCE}}.json",
            schema={"not": {"pattern": f"^/|{_KEY_FAULTS}"}},
            default_text="not written; `publish` then takes `latest.json` in the folder that `path` begins with",
        ),
    ] = ""

    @property
    def home(self) -> str:
        """The folder, without placeholders, that holds every manifest; ends in a slash."""
        return home_of(self.path)


def home_of(path: str) -> str:
    """Return the folders of a path before the first one with a placeholder, each with its slash."""
    folders = path.split("/")[:-1]
    fixed = next((index for index, folder in enumerate(folders) if _IN_BRACES.search(folder)), len(folders))
    return "".join(f"{folder}/" for folder in folders[:fixed])


def problems(manifest: Manifest, *, path: str, file_format: str) -> Iterator[SpecError]:
    """Yield what is wrong with the manifest's options.

    Args:
        manifest: the options.
        path: where the tables' objects go, whole.
        file_format: what takes the place of `{{FORMAT}}` there.
    """
    yield from _key(manifest.path, "manifest.path")
    for name in ("{{SYNC_ID}}", "{{UUID}}"):
        if name not in manifest.path:
            yield SpecError(
                f"must contain {name}: each Write has a manifest of its own; write {DEFAULT_PATH}",
                field="manifest.path",
            )
    yield from _placeholders(manifest.path, _IN_MANIFEST, "manifest.path")
    if not manifest.home:
        yield SpecError(
            "must begin with a folder that has no placeholder in its name, such as _cloudquery/", field="manifest.path"
        )
    yield from _apart(manifest.path, path, file_format, "manifest.path")
    if manifest.latest:
        yield from _key(manifest.latest, "manifest.latest")
        yield from _placeholders(manifest.latest, frozenset({SOURCE}), "manifest.latest")
        yield from _apart(manifest.latest, path, file_format, "manifest.latest")
    if _CONTROL.search(manifest.part):
        yield SpecError("must not contain a line end or another control character", field="manifest.part")
    if len(manifest.part) > _MAX_PART:
        yield SpecError(f"must have no more than {_MAX_PART} characters", field="manifest.part")


def _key(key: str, field: str) -> Iterator[SpecError]:
    if not key or key.startswith(("/", "../")) or key in {".", ".."} or key != posixpath.normpath(key):
        yield SpecError("must be a key: not empty, without / at either end, without //, ./ and ../", field=field)
    if literal_bytes(key) > MAX_KEY_BYTES:
        yield SpecError(f"is longer than S3 allows a key to be: {MAX_KEY_BYTES} bytes; shorten it", field=field)


def _placeholders(key: str, known: frozenset[str], field: str) -> Iterator[SpecError]:
    for name in _IN_BRACES.findall(key):
        if name not in known:
            yield SpecError(f"must not contain {name[:60]}; it may contain {', '.join(sorted(known))}", field=field)


def _apart(key: str, path: str, file_format: str, field: str) -> Iterator[SpecError]:
    whole = path.replace("{{FORMAT}}", file_format).split("/")
    folder, segments = _table_folder(whole), key.split("/")
    may_be_inside = len(segments) > len(folder) or (folder == whole and len(segments) == len(whole))
    if may_be_inside and all(map(_may_be_equal, segments, folder)):
        yield SpecError(
            f"lies where objects of a table can be ({'/'.join(folder)}): a reader of the table would take it for one; "
            "begin it with a folder whose name begins with _, such as _cloudquery/",
            field=field,
        )


def _table_folder(segments: list[str]) -> list[str]:
    """Return the segments of a path up to the one that names the table: all of them where only the file's name does."""
    last = next(index for index, one in enumerate(segments) if any(name in one for name in _OF_A_TABLE))
    return segments[: last + 1]


def _may_be_equal(one: str, other: str) -> bool:
    """Tell whether two segments can be rendered alike. No name begins with `_`, which keeps such folders apart."""
    for first, second in ((one, other), (other, one)):
        if first.startswith("_") and _IN_BRACES.match(second):
            return False
    return _overlap(_tokens(one), _tokens(other))


def _tokens(segment: str) -> list[str]:
    """Return a segment's characters, and "" for each placeholder."""
    tokens: list[str] = []
    start = 0
    for match in _IN_BRACES.finditer(segment):
        tokens += [*segment[start : match.start()], ""]
        start = match.end()
    return tokens + list(segment[start:])


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two patterns have a text in common; "" stands for any text."""
    reachable = {(0, 0)}
    todo = [(0, 0)]
    while todo:
        i, j = todo.pop()
        if i == len(one) and j == len(other):
            return True
        steps = []
        if i < len(one) and one[i] == "":
            steps += [(i + 1, j), (i, j + 1)]
        if j < len(other) and other[j] == "":
            steps += [(i, j + 1), (i + 1, j)]
        if i < len(one) and j < len(other) and one[i] == other[j]:
            steps.append((i + 1, j + 1))
        for step in steps:
            if step not in reachable and step[0] <= len(one) and step[1] <= len(other):
                reachable.add(step)
                todo.append(step)
    return False
