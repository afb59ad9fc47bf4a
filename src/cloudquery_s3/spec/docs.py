"""`docs/spec.md`, made from the list of options: `python -m cloudquery_s3.spec.docs > docs/spec.md`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import yaml

from cloudquery_s3.object_key import MAX_KEY_BYTES, NULL_PARTITION, PARTITION_PLACEHOLDERS, PLACEHOLDERS
from cloudquery_s3.spec.file_format import CsvSpec, JsonSpec, ParquetSpec
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of, without_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.spec.option import Field, OptionGroup

_FORMATS: Final[dict[str, type[OptionGroup]]] = {"csv": CsvSpec, "json": JsonSpec, "parquet": ParquetSpec}
_KINDS: Final[dict[Any, str]] = {str: "string", int: "whole number", bool: "`true` or `false`", list: "list of strings"}

_INTRODUCTION: Final = """\
<!-- Made from the source by `python -m cloudquery_s3.spec.docs`: change it there. -->

# Spec reference

Everything that may stand under `spec:` of the destination. Four options are required:

```yaml
kind: destination
spec:
  name: s3
  registry: local
  path: .venv/bin/cloudquery-s3
  write_mode: append
  spec:
    bucket: my-bucket
    region: eu-central-1
    path: data/{{TABLE}}/{{UUID}}.{{FORMAT}}
    format: parquet
```

Keys match whatever their case. `null` is the same as leaving an option out. A top-level key that is not an option is
ignored with a warning that names the nearest one; inside `format_spec` it is an error. A sync reports the first thing
that is wrong, and begins only when nothing is; `cloudquery validate-config` checks the same without a sync, and is
stricter where a sync forgives.
"""

_ON_PLACEHOLDERS: Final = f"""\
Names are case-sensitive; an unknown `{{{{X}}}}` stays in the key as it is, with a warning. All are replaced in one
pass: a table's name that looks like a placeholder is a name. `%` and `/` in a table's name or a sync id become `%25`
and `%2F`, and a segment that would be `.` or `..` becomes `%2E` or `%2E%2E`: a key never leaves the path's prefix. A
key has at most {MAX_KEY_BYTES} bytes; a table that needs more fails, and says so."""

_ON_PARTITIONS: Final = f"""\
Rows with different values of these columns go to different keys; each partition has an open object of its own, which
ends by the same limits. `{{{{UUID}}}}` must be in the path. NULL, an empty text, and a column that a table does not
have are `{NULL_PARTITION}`; other values are escaped as Hive does it. The values stay in the files too. A
column of another type fails its table, and so do more than 10,000 distinct values in one sync. See
[Partitions](path.md#partitions)."""

_INTERPLAY: Final = """\
## How options go together

- **Rotation.** An object ends at `batch_size` rows, `batch_size_bytes` bytes or `batch_timeout`, whichever comes first,
  and the table's next rows begin another. So the path needs `{{UUID}}`, or objects would replace each other.
- **`no_rotate: true`** writes one object per table and sync, at a key that the next sync replaces. The path must not
  contain `{{UUID}}`, and no batch option may be set.
- **`object_size`** ends objects by their bytes in the bucket. The batch options have no limit then; one that is written
  out still ends objects, which are smaller where it comes first.
- **No limit at all**: `batch_size: 0`, `batch_size_bytes: 0` and `batch_timeout: 0s`, all three written out, make one
  object per table. `{{UUID}}` may then be left out. `validate-config` does not accept this; a sync does.
- **The appended suffix.** A path without `{{TABLE}}` and `{{TABLE_HYPHEN}}` has `/{{TABLE}}.<format>` appended, and
  `.{{UUID}}` unless `no_rotate`: `data/{{UUID}}` becomes `data/{{UUID}}/{{TABLE}}.csv.{{UUID}}`. The suffix has no
  `.gz`, as the Go plugin's has none, so that keys stay what they were. Better write the path in full.
- **compression** goes with `csv` and `json`. `{{FORMAT}}` then ends in `.gz` or `.zst`, and the Content-Type is
  `application/gzip` or `application/zstd`. Parquet has `format_spec.compression`. `compression_level` is for either.
- **Empty objects** (`write_empty_objects_for_empty_tables`) need `format: parquet`.
- **Encryption.** `AES256` has no key id. `aws:kms` and `aws:kms:dsse` without one use the bucket's own key.
- **Credentials.** Either `credentials` or the older `local_profile`, not both.
- **`{{SYNC_ID}}`** needs a CLI that sends one, as all current ones do.
"""

_DIFFERENCES: Final = """\
## What differs from the Go plugin

A spec that works with `cloudquery/s3` v7 works here and means the same, with these exceptions:

| option | Go plugin | here |
|---|---|---|
| unknown top-level key | ignored | ignored, with a warning |
| `path` with `{{TABLE_HYPHEN}}` and no `{{TABLE}}` | the suffix is appended | the path is taken as it is |
| `path` of `.`, `..` or `../x` | accepted | an error |
| a table's name with `/` or `..` | can leave the path's prefix | stays one segment of the key |
| `delimiter` of a quote or line end | fails at the first row | an error at the start |
| `max_row_group_length: 0` | never ends | no limit |
| `root_repetition: optional` | tables with NOT NULL columns fail | no effect, like its other values |
| `part_size` below 5 MiB | large objects fail at their end | raised to 5 MiB, with a warning |
| `part_size: 0` | 8 MiB | the default, 5 MiB |
| `max_retries: 0` | tries without end | one attempt, with a warning |
| `max_retries` negative | tries without end | 100 attempts, with a warning |
| `max_backoff` negative | accepted | an error |
| encryption without `server_side_encryption` | sent as it is | an error |
| `AES256` with a key id | S3 refuses every object | an error at the start |
| `AES256` without a key id in `validate-config` | an error | accepted |
| `role_arn` that is no ARN, `endpoint` that is no URL | fails at the first request | an error at the start |
| `endpoint` with a user name in it | accepted | an error: secrets go into `credentials` |
| `aws_debug` | logs bodies and signatures | leaves them out |
"""


def spec_markdown() -> str:
    """Return the whole of `docs/spec.md`."""
    parts = (_INTRODUCTION, _table(), _placeholders(), _INTERPLAY, "\n".join(_sections()), _DIFFERENCES)
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _table() -> str:
    rows = (
        _row(f"[`{name}`](#{name})", _kind(info.kind), _default(info), _first_sentence(info.option.about))
        for name, info in fields_of(Options).items()
    )
    return "\n".join(("## All options", "", _row("option", "value", "default", "meaning"), _row(*["---"] * 4), *rows))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _placeholders() -> str:
    rows = (_row(f"`{name}`", meaning) for name, meaning in PLACEHOLDERS.items())
    table = (_row("placeholder", "stands for"), _row("---", "---"), *rows)
    by_column = (_row(f"`{{{{{kind}:name}}}}`", meaning) for kind, meaning in PARTITION_PLACEHOLDERS.items())
    columns = (_row("with a column's name", "stands for"), _row("---", "---"), *by_column)
    return "\n".join(("## Placeholders in `path`", "", *table, "", _ON_PLACEHOLDERS, "", *columns, "", _ON_PARTITIONS))


def _sections() -> Iterator[str]:
    yield "## Options one by one\n"
    for name, info in fields_of(Options).items():
        yield from _section("###", name, info)
        if name == "format_spec":
            for form, model in _FORMATS.items():
                yield f"With `format: {form}`:{'' if fields_of(model) else ' nothing to set.'}\n"
                yield from _members(name, model)
        if info.group is not None:
            yield from _members(name, info.group)


def _members(parent: str, model: type[OptionGroup]) -> Iterator[str]:
    for name, info in fields_of(model).items():
        yield from _section("####", f"{parent}.{name}", info)


def _section(level: str, name: str, info: Field) -> Iterator[str]:
    option = info.option
    required = info.required
    yield f"{level} `{name}`\n"
    yield f"{_kind(info.kind)}, {'' if required else 'default: '}{_default(info)}\n"
    yield f"{option.about}\n"
    if option.example != {}:
        yield f"```yaml\n{_yaml(name, option.example)}```\n"


def _yaml(name: str, value: object) -> str:
    for part in reversed(name.split(".")):
        value = {part: value}
    return yaml.safe_dump(value, sort_keys=False, width=200)


def _default(info: Field) -> str:
    option = info.option
    if info.required or option.default_text:
        return option.default_text or "**required**"
    value = info.default
    texts = {None: "none", "": "empty", True: "`true`", False: "`false`"}
    return f"`{value}`" if isinstance(value, int) and not isinstance(value, bool) else texts.get(value, f"`{value}`")


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation) if choice)
    if get_origin(annotation) is list:
        return _KINDS[list]
    return _KINDS.get(without_none(annotation), "object")


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.])\s", text, maxsplit=1)[0]


if __name__ == "__main__":
    sys.stdout.write(spec_markdown())
