from __future__ import annotations

import json

import pytest

from cloudquery_s3.formats import make_format
from cloudquery_s3.formats.athena import Athena
from cloudquery_s3.spec import Spec


@pytest.mark.parametrize(
    ("options", "content_type", "fixed_schema"),
    [
        ({"format": "json"}, "application/json", False),
        ({"format": "csv", "format_spec": {"delimiter": ";"}}, "text/csv", True),
        ({"format": "parquet", "format_spec": {"version": "v1.0"}}, "application/vnd.apache.parquet", True),
        ({"format": "csv", "compression": "zstd", "compression_level": 1}, "application/zstd", True),
        ({"format": "csv", "compression": "gzip"}, "application/gzip", True),
        ({"format": "json", "compression": "gzip", "athena": True}, "application/gzip", False),
        ({"format": "parquet", "athena": True}, "application/vnd.apache.parquet", True),
    ],
)
def test_formats(options: dict[str, object], content_type: str, *, fixed_schema: bool) -> None:
    """Each spec gives its format, with the reference's content type."""
    document = {"bucket": "b", "region": "r", "path": "{{UUID}}", **options}
    chosen = make_format(Spec.parse(json.dumps(document).encode(), invocation_id=""))
    assert (chosen.content_type, chosen.fixed_schema) == (content_type, fixed_schema)
    assert isinstance(chosen, Athena) == bool(options.get("athena"))


@pytest.mark.parametrize("repetition", ["undefined", "required", "optional", "repeated"])
def test_root_repetition_is_accepted(repetition: str) -> None:
    """All four values are accepted and make no difference, also `optional`, which breaks the reference."""
    document = {
        "bucket": "b",
        "region": "r",
        "path": "{{UUID}}",
        "format": "parquet",
        "format_spec": {"root_repetition": repetition},
    }
    assert make_format(Spec.parse(json.dumps(document).encode(), invocation_id=""))
