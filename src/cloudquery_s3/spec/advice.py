"""What a user should know about a spec that works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudquery_s3.spec.file_format import HIGHEST_LEVELS, ParquetSpec
from cloudquery_s3.spec.path_advice import path_advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.spec.model import Options


def advice(written: Options, used: Options, *, file_format: str) -> Iterator[str]:
    """Yield warnings, a line each with the field first.

    Args:
        written: the options as the user wrote them.
        used: the options after every default and rewriting.
        file_format: what takes the place of `{{FORMAT}}`.
    """
    yield from path_advice(used.path, file_format=file_format, appended=used.path != written.path)
    yield from _numbers(written, used)
    yield from _memory(used)
    yield from _levels(written)
    if written.aws_debug:
        yield "aws_debug: requests to AWS are logged, without bodies, credentials and signatures"
    if used.manifest and used.manifest.part and "{{UUID}}" not in used.path:
        yield "manifest.part: path has no {{UUID}}: parts that write the same table replace each other's objects"
    if written.credentials and not written.credentials.role_arn:
        for name in ("role_session_name", "external_id"):
            if getattr(written.credentials, name):
                yield f"credentials.{name}: has no effect without credentials.role_arn"


def _levels(written: Options) -> Iterator[str]:
    details = written.format_spec
    codec = details.compression if isinstance(details, ParquetSpec) else written.compression
    if written.gzip_level is not None:
        if written.compression != "gzip":
            yield "gzip_level: has no effect without compression: gzip"
        elif written.compression_level is not None:
            yield "gzip_level: has no effect beside compression_level; remove it"
        else:
            yield "gzip_level: is called compression_level now; rename it"
    if written.compression_level is not None and codec not in HIGHEST_LEVELS:
        yield "compression_level: has no effect without a codec that has levels: gzip or zstd"


def _numbers(written: Options, used: Options) -> Iterator[str]:
    if written.max_retries != used.max_retries:
        attempts = "one attempt" if used.max_retries == 1 else f"{used.max_retries} attempts"
        yield f"max_retries: {written.max_retries} is taken as {attempts}; the Go plugin would try without end"
    if 0 < written.part_size < used.part_size:
        yield f"part_size: {written.part_size} is below S3's minimum; {used.part_size} (5 MiB) is used"


def _memory(used: Options) -> Iterator[str]:
    budget = f"is more than memory_budget ({used.memory_budget})"
    if used.batch_size_bytes > used.memory_budget:
        yield (
            f"batch_size_bytes: {used.batch_size_bytes} {budget}, so that objects end before they reach it; lower it, "
            "or raise memory_budget"
        )
    if used.part_size > used.memory_budget:
        yield (
            f"part_size: {used.part_size} {budget}, and a part is held in memory whole; lower it, or raise "
            "memory_budget"
        )
