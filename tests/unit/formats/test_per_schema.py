"""What is made once for a schema."""

from __future__ import annotations

import pyarrow as pa

from cloudquery_s3.formats.columns.per_schema import PerSchema


def test_equal_schemas_share_what_is_made_of_them() -> None:
    """Something is made once for all schemas that are equal, and is told apart by a column's mark alone."""
    made: list[pa.Schema] = []

    def make(schema: pa.Schema) -> int:
        made.append(schema)
        return len(made)

    per_schema = PerSchema(make)
    plain = pa.field("x", pa.binary())
    marked = plain.with_metadata({"ARROW:extension:name": "json"})
    assert [per_schema(pa.schema([field])) for field in (plain, marked, plain, marked)] == [1, 2, 1, 2]


def test_what_is_kept_is_bounded() -> None:
    """However many schemas come, only some are kept; one that went is made anew."""
    per_schema = PerSchema(lambda schema: schema.names)
    for number in range(1000):
        assert per_schema(pa.schema([(f"x{number}", pa.int8())])) == [f"x{number}"]
    assert len(per_schema._made) < 1000
    assert per_schema(pa.schema([("x0", pa.int8())])) == ["x0"]
