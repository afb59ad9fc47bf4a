"""From the bytes that a client sends to a `Spec` that can be worked with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from cloudquery_s3.errors import SpecError
from cloudquery_s3.object_key import PathTemplate
from cloudquery_s3.spec import rules
from cloudquery_s3.spec.advice import advice
from cloudquery_s3.spec.aws_options import MIN_PART_SIZE, Credentials
from cloudquery_s3.spec.decode import JsonObject, decode, read_document
from cloudquery_s3.spec.duration import duration_s
from cloudquery_s3.spec.file_format import COMPRESSION_SUFFIXES, CsvSpec, FormatSpec, JsonSpec, ParquetSpec
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORMAT_SPECS: Final[dict[str, type[FormatSpec]]] = {"csv": CsvSpec, "json": JsonSpec, "parquet": ParquetSpec}
_MANY_ATTEMPTS: Final = 100
_NO_BATCHES: Final[dict[str, Any]] = {"batch_size": 0, "batch_size_bytes": 0, "batch_timeout": "0s"}


@dataclass(frozen=True, kw_only=True)
class Spec(Options):
    """The options of one Init: valid, complete, frozen.

    Every default is filled in and every rewriting is done: `path` has its legacy suffix, the batch limits are 0 where
    there is no limit, `part_size` is one that S3 accepts, `max_retries` is at least 1 and counts attempts,
    `credentials` holds a top-level `local_profile`.

    Attributes:
        warnings: what the user should know, though it stops nothing; a line each, the field first.
    """

    warnings: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, data: bytes, *, invocation_id: str) -> Spec:
        """Return the spec that an Init request holds as JSON.

        Args:
            data: the JSON text.
            invocation_id: the sync's id, for `{{SYNC_ID}}`; empty where the client gives none.

        Raises:
            SpecError: the first thing that is wrong, in the order of the reference.

        Source: docs/spec.md, "What differs from the Go plugin".
        """
        warnings: list[str] = []
        options = decode(Options, read_document(data), warnings)
        _raise_first(rules.before_format(options))
        _raise_first(rules.unknown_format(options))
        options = replace(options, format_spec=_format_spec(options, warnings))
        _raise_first(rules.after_format(options))
        spec = cls(**values_of(options) | rewritten(options))
        keys = {"path": spec.path, "manifest.path": spec.manifest.path if spec.manifest else ""}
        for name, key in keys.items():
            if "{{SYNC_ID}}" in key and not invocation_id:
                raise SpecError(
                    "contains {{SYNC_ID}}, which this CLI does not send; use a newer CloudQuery CLI", field=name
                )
        return replace(spec, warnings=(*warnings, *advice(options, spec, file_format=spec.file_format)))

    @property
    def batch_timeout_s(self) -> float:
        """The longest that an object may stay open, in seconds; 0 is no limit."""
        return max(0.0, duration_s(self.batch_timeout))

    @property
    def file_format(self) -> str:
        """What takes the place of `{{FORMAT}}`: `json`, `csv.gz`, `csv.zst`."""
        return file_format(self)

    def path_template(self, *, sync_id: str) -> PathTemplate:
        """Return where this spec's objects go in a sync."""
        return PathTemplate(self.path, format=self.file_format, sync_id=sync_id)


def file_format(options: Options) -> str:
    """Return what takes the place of `{{FORMAT}}`: `json`, `csv.gz`, `csv.zst`."""
    return options.format + COMPRESSION_SUFFIXES.get(options.compression, "")


def _raise_first(problems: Iterator[SpecError]) -> None:
    for problem in problems:
        raise problem


def _format_spec(options: Options, warnings: list[str]) -> FormatSpec:
    written: object = options.format_spec if "format_spec" in options.written else JsonObject()
    if not isinstance(written, JsonObject):
        raise SpecError(f"must be an object of named values, as format: {options.format} has them", field="format_spec")
    decoded = decode(_FORMAT_SPECS[options.format], written, warnings, field="format_spec", strict=True)
    defaults: dict[str, Any] = {name: one.default for name, one in fields_of(type(decoded)).items()}
    return replace(decoded, **{name: default for name, default in defaults.items() if getattr(decoded, name) == ""})


def rewritten(options: Options) -> dict[str, Any]:
    """Return the options that do not stay as they were written. Source: docs/spec.md, "How options go together"."""
    changes: dict[str, Any] = {"path": options.path + rules.legacy_suffix(options)}
    if options.no_rotate:
        changes |= _NO_BATCHES
    else:
        changes |= {"batch_size": max(0, options.batch_size), "batch_size_bytes": max(0, options.batch_size_bytes)}
        if options.object_size:
            changes |= {name: none for name, none in _NO_BATCHES.items() if name not in options.written}
    if options.local_profile:
        changes["credentials"] = Credentials(local_profile=options.local_profile)
    if options.max_retries < 1:
        changes["max_retries"] = _MANY_ATTEMPTS if options.max_retries else 1
    if options.compression == "gzip" and options.compression_level is None:
        changes["compression_level"] = options.gzip_level
    if options.iceberg is not None and isinstance(options.format_spec, ParquetSpec):
        changes["format_spec"] = replace(options.format_spec, types="portable")
    changes["part_size"] = max(MIN_PART_SIZE, options.part_size)
    return changes
