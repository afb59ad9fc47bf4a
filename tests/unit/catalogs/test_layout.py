"""Folders become columns only where no row can be missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.catalogs.ddl.projection import projection_properties
from cloudquery_s3.catalogs.layout import Layout, layout_of
from cloudquery_s3.errors import SpecError
from small_lake import spec_of

UUID = "{{UUID}}.{{FORMAT}}"


def layout(path: str, *columns: str) -> Layout:
    """The layout of table `a_b` below a path; column placeholders are put past the spec's own checks."""
    spec = replace(spec_of(), path=path)
    return layout_of(spec, "a_b", columns)


@pytest.mark.parametrize(
    ("path", "location", "columns", "template"),
    [
        ("x/{{TABLE}}/" + UUID, "x/a_b/", [], "x/a_b/"),
        ("{{TABLE_HYPHEN}}/dt={{YEAR}}-{{MONTH}}-{{DAY}}/" + UUID, "a-b/", ["dt:date"], "a-b/dt=${dt}/"),
        (
            "{{TABLE}}/year={{YEAR}}/month={{MONTH}}/" + UUID,
            "a_b/",
            ["year:integer", "month:integer"],
            "a_b/year=${year}/month=${month}/",
        ),
        ("{{TABLE}}/{{YEAR}}/{{MONTH}}/" + UUID, "a_b/", ["year:integer", "month:integer"], "a_b/${year}/${month}/"),
        ("{{TABLE}}/{{YEAR}}{{MONTH}}{{DAY}}T{{HOUR}}/" + UUID, "a_b/", ["dt:date"], "a_b/${dt}/"),
        ("{{YEAR}}/{{TABLE}}/" + UUID, "", ["year:integer"], "${year}/"),
        ("{{TABLE}}/d={{DATE:_cq_sync_time}}/" + UUID, "a_b/", ["d:date"], "a_b/d=${d}/"),
        ("{{TABLE}}/d={{DATE:created_at}}/" + UUID, "a_b/", [], "a_b/"),
        ("{{TABLE}}/region={{COLUMN:region}}/dt={{YEAR}}-{{MONTH}}/" + UUID, "a_b/", [], "a_b/"),
        ("{{TABLE}}/sync={{SYNC_ID}}/" + UUID, "a_b/", [], "a_b/"),
        ("{{TABLE}}/dt={{DAY}}-{{MONTH}}-{{YEAR}}/" + UUID, "a_b/", [], "a_b/"),
        ("{{TABLE}}/{{UUID}}/{{YEAR}}.{{FORMAT}}", "a_b/", [], "a_b/"),
    ],
)
def test_projected_levels(path: str, location: str, columns: list[str], template: str) -> None:
    """A level is projected if its values follow from the calendar, and all levels above it are projected, too."""
    found = layout(path)
    assert found.location == f"s3://a-bucket/{location}"
    assert [f"{level.name}:{level.kind}" for level in found.projected] == columns
    assert found.projection_template == f"s3://a-bucket/{template}"


def test_a_name_of_ours_is_free() -> None:
    """A level without a name gets one that no column has; a level with a name keeps it."""
    assert [level.name for level in layout("{{TABLE}}/{{YEAR}}/" + UUID, "Year").projected] == ["year_"]
    assert [level.name for level in layout("{{TABLE}}/year={{YEAR}}/" + UUID, "year").projected] == ["year"]


def test_hive_levels() -> None:
    """Engines that look for folders find levels that are all called `name=value`, whatever their values."""
    found = layout("{{TABLE}}/region={{COLUMN:region}}/dt={{YEAR}}-{{MONTH}}/" + UUID)
    assert [level.name for level in found.hive] == ["region", "dt"]
    assert layout("{{TABLE}}/region={{COLUMN:region}}/{{YEAR}}/" + UUID).hive == ()


def test_own_folder() -> None:
    """A location is the table's own if the table is named above all that varies."""
    assert layout("x/{{TABLE}}/{{YEAR}}/" + UUID).own
    assert not layout("x/{{YEAR}}/{{TABLE}}/" + UUID).own
    assert not layout("x/{{TABLE}}.{{UUID}}").own


def test_path_without_table() -> None:
    """A path that names no table is refused."""
    with pytest.raises(SpecError, match="names no table"):
        layout("x/" + UUID)


@given(
    st.sampled_from(
        ["{{YEAR}}", "{{YEAR}}-{{MONTH}}", "{{YEAR}}/{{MONTH}}/{{DAY}}", "{{YEAR}}{{MONTH}}{{DAY}}T{{HOUR}}"]
    ),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2038, 1, 1)),  # noqa: DTZ001 -- aware below
)
def test_every_key_lies_in_a_projected_partition(part: str, now: datetime) -> None:
    """The template of the projection, filled with a moment in the formats of the projection, is the key's folder."""
    spec = spec_of(path="x/{{TABLE}}/" + part + "/" + UUID)
    found = layout_of(spec, "t", [])
    moment = now.replace(tzinfo=UTC)
    key = spec.path_template(sync_id="s").render("t", file_id="f", now=moment)
    properties = projection_properties(found, date(2020, 1, 1))
    folder = properties["storage.location.template"]
    for level in found.projected:
        folder = folder.replace(f"${{{level.name}}}", _value(properties, level.name, level.unit or "", moment))
    assert f"s3://a-bucket/{key}".rpartition("/")[0] + "/" == folder


def _value(properties: dict[str, str], name: str, unit: str, moment: datetime) -> str:
    java = properties.get(f"projection.{name}.format")
    if java is None:
        number = getattr(moment, unit.removesuffix("S").lower())
        low, high = map(int, properties[f"projection.{name}.range"].split(","))
        assert low <= number <= high
        return f"{number:0{properties[f'projection.{name}.digits']}}"
    for letters, python in (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("'T'", "T")):
        java = java.replace(letters, python)
    assert moment > datetime(2020, 1, 1, tzinfo=UTC) - timedelta(days=1)
    return moment.strftime(java)
