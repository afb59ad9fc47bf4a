"""What a user should know about a spec that works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloudquery_s3.object_key import PLACEHOLDERS
from cloudquery_s3.spec.decode import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.spec.model import Options

_IN_BRACES: Final = re.compile(r"\{\{[^{}]*\}\}")


def advice(written: Options, used: Options) -> Iterator[str]:
    """Yield warnings, a line each with the field first.

    Args:
        written: the options as the user wrote them.
        used: the options after every default and rewriting.
    """
    yield from _path(written, used)
    yield from _numbers(written, used)
    if written.gzip_level is not None and not written.compression:
        yield "gzip_level: has no effect without compression: gzip"
    if written.aws_debug:
        yield "aws_debug: requests to AWS are logged, without bodies, credentials and signatures"
    if written.credentials and not written.credentials.role_arn:
        for name in ("role_session_name", "external_id"):
            if getattr(written.credentials, name):
                yield f"credentials.{name}: has no effect without credentials.role_arn"


def _path(written: Options, used: Options) -> Iterator[str]:
    for name in _IN_BRACES.findall(written.path):
        if name not in PLACEHOLDERS:
            yield f"path: {quoted(name)} is not a placeholder{suggestion(name, PLACEHOLDERS)}; it stays as it is"
    if used.path != written.path and used.compression:
        yield "path: the suffix that is appended has no .gz; end the path in {{TABLE}}.{{FORMAT}} to have one"


def _numbers(written: Options, used: Options) -> Iterator[str]:
    if written.max_retries != used.max_retries:
        attempts = "one attempt" if used.max_retries == 1 else f"{used.max_retries} attempts"
        yield f"max_retries: {written.max_retries} is taken as {attempts}; the Go plugin would try without end"
    if 0 < written.part_size < used.part_size:
        yield f"part_size: {written.part_size} is below S3's minimum; {used.part_size} (5 MiB) is used"
