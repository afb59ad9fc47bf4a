"""The options of table catalogues: what they say, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cloudquery_s3.errors import SpecError
from specs import parsed

CATALOG = {"type": "rest", "uri": "https://u:s3cret@h", "s3.port": 9000, "s3.path": True, "token": "s3cret", "x": None}


def with_iceberg(**options: Any) -> Any:
    """A spec with these options of Iceberg."""
    return parsed(format="parquet", iceberg={"catalog": CATALOG, **options})


def test_properties_are_handed_through() -> None:
    """The catalogue's properties are texts, however YAML has them; what is null is not set."""
    assert with_iceberg().iceberg.catalog == {
        "type": "rest",
        "uri": "https://u:s3cret@h",
        "s3.port": "9000",
        "s3.path": "true",
        "token": "s3cret",
    }


def test_properties_are_never_shown() -> None:
    """No representation of a spec holds a catalogue's property."""
    spec = with_iceberg()
    assert "s3cret" not in f"{spec!r}{spec}{spec.iceberg!r}{spec.iceberg}"
    with pytest.raises(SpecError) as raised:
        parsed(format="parquet", iceberg={"catalog": {"token": ["s3cret"]}})
    assert "s3cret" not in str(raised.value)


def test_names() -> None:
    """A table's name in the catalogue is made of the namespace's levels and the template."""
    spec = with_iceberg(namespace="a.b", table="x_{{TABLE_HYPHEN}}_{{TABLE}}")
    assert spec.iceberg.identifier("t_u") == ("a", "b", "x_t-u_t_u")
    assert with_iceberg().iceberg.identifier("t") == ("cloudquery", "t")


def test_types_are_portable() -> None:
    """Files for Iceberg have the types that it knows; without Iceberg nothing changes."""
    assert with_iceberg().format_spec.types == "portable"
    assert parsed(format="parquet").format_spec.types == "arrow"


ICEBERG: dict[str, Any] = {"catalog": {"type": "rest"}}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"format": "json", "iceberg": ICEBERG}, "iceberg"),
        ({"format": "csv", "iceberg": ICEBERG}, "iceberg"),
        ({"format": "parquet", "iceberg": ICEBERG, "no_rotate": True, "path": "{{TABLE}}"}, "path"),
        ({"format": "parquet", "iceberg": ICEBERG, "format_spec": {"types": "arrow"}}, "format_spec.types"),
        ({"format": "parquet", "iceberg": {}}, "iceberg.catalog"),
        ({"format": "parquet", "iceberg": {"catalog": {}}}, "iceberg.catalog"),
        ({"format": "parquet", "iceberg": {"catalog": "rest"}}, "iceberg.catalog"),
        ({"format": "parquet", "iceberg": ICEBERG | {"namespace": ""}}, "iceberg.namespace"),
        ({"format": "parquet", "iceberg": ICEBERG | {"namespace": "a..b"}}, "iceberg.namespace"),
        ({"format": "parquet", "iceberg": ICEBERG | {"table": "t"}}, "iceberg.table"),
        ({"format": "parquet", "iceberg": ICEBERG | {"table": "{{TABLE}}{{UUID}}"}}, "iceberg.table"),
        ({"glue": {}}, "glue.database"),
        ({"glue": {"database": "d"}, "path": "{{TABLE}}.{{UUID}}"}, "path"),
        ({"glue": {"database": "d"}, "path": "{{YEAR}}/{{TABLE}}/{{UUID}}"}, "path"),
        ({"glue": {"database": "d"}, "path": "x/{{TABLE}}-{{DAY}}/{{UUID}}"}, "path"),
    ],
)
def test_refused(options: dict[str, Any], field: str) -> None:
    """What cannot work is refused at the start, by the name of the option."""
    with pytest.raises(SpecError) as raised:
        parsed(**options)
    assert raised.value.field == field
