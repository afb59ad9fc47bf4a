"""The tables of the source: what each column is called, its type, and where AWS's answer holds its value."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

Extension = Literal["uuid", "json", "inet"]


def camel(name: str) -> str:
    """Return AWS's spelling of a name: `owner_id` is `OwnerId`."""
    return "".join(part.capitalize() for part in name.split("_"))


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: the column's name.
        type: its Arrow type; the storage type where there is an extension.
        path: the keys that lead to its value in AWS's answer; by default the name as AWS spells it.
        extension: CloudQuery's type, of the column, or of a list's items.
        key: whether it is part of the row's identity (primary key).
    """

    name: str
    type: pa.DataType
    path: tuple[str, ...] = ()
    extension: Extension | None = None
    key: bool = False

    def value(self, item: object) -> object:
        """Return the column's value as it stands in one item of AWS's answer, or None where AWS says nothing."""
        for part in self.path or (camel(self.name),):
            item = item.get(part) if isinstance(item, dict) else None
        return item

    def field(self) -> pa.Field:
        """Return the Arrow field, with the metadata that CloudQuery gives each column."""
        listed = pa.types.is_list(self.type)
        marks = _marks(self.extension)
        kind = pa.list_(pa.field("item", self.type.value_type, metadata=marks)) if listed else self.type
        return pa.field(
            self.name,
            kind,
            nullable=not self.key and self.name != "_cq_id",
            metadata=({} if listed else marks)
            | {
                "cq:extension:primary_key": str(self.key).lower(),
                "cq:extension:unique": str(self.name == "_cq_id").lower(),
                "cq:extension:incremental": "false",
                "cq:extension:primary_key_component": "false",
                "cq:extension:type_schema": "",
            },
        )


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: the table's name.
        description: one sentence for people.
        columns: its columns, without the two that every table has.
        parent: the table that its rows hang on, if any; a row and its parent agree in the parent's key columns.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    parent: Table | None = None

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The columns in the order of the schema: CloudQuery's two, then the table's."""
        return (*_CQ_COLUMNS, *self.columns)

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns that tell one row from another."""
        return tuple(column for column in self.columns if column.key)

    def schema(self) -> pa.Schema:
        """Return the Arrow schema, with the metadata that CloudQuery gives each table."""
        metadata = {
            "cq:table_name": self.name,
            "cq:table_title": self.name.replace("_", " "),
            "cq:table_description": self.description,
            "cq:extension:constraint_name": f"{self.name}_cqpk",
            "cq:table_permissions_needed": "null",
            "cq:table_sensitive_columns": "null",
        }
        if self.parent:
            metadata["cq:table_depends_on"] = self.parent.name
        return pa.schema([column.field() for column in self.all_columns], metadata=metadata)


def select(wanted: Sequence[str], skipped: Sequence[str], *, skip_dependent: bool = False) -> list[Table]:
    """Return the tables that a spec asks for, parents first, by CloudQuery's rules.

    A pattern may hold `*`. A selected table brings its parent, and its children unless `skip_dependent`; a skipped
    table takes its children with it; what is skipped is out, whatever else asks for it.

    Raises:
        ValueError: a pattern matches no table.
    """
    for pattern in (*wanted, *skipped):
        if not any(fnmatchcase(table.name, pattern) for table in TABLES):
            names = ", ".join(table.name for table in TABLES)
            raise ValueError(f"no table is called {pattern!r}; there are {names}")

    def named(table: Table | None, patterns: Sequence[str]) -> bool:
        return table is not None and any(fnmatchcase(table.name, pattern) for pattern in patterns)

    out = {table.name for table in TABLES if named(table, skipped) or named(table.parent, skipped)}
    chosen = {
        table.name for table in TABLES if named(table, wanted) or (named(table.parent, wanted) and not skip_dependent)
    }
    parents = {table.parent.name for table in TABLES if table.parent and table.name in chosen - out}
    return [table for table in TABLES if table.name in (chosen | parents) - out]


def _marks(extension: Extension | None) -> dict[str, str]:
    """Return how a field says that it is of CloudQuery's type; pyarrow need not know the type for it."""
    if extension is None:
        return {}
    return {"ARROW:extension:name": extension, "ARROW:extension:metadata": f"{extension}-serialized"}


def _text(name: str, *path: str, key: bool = False) -> Column:
    return Column(name, pa.string(), path, key=key)


def _texts(name: str, *path: str) -> Column:
    return Column(name, pa.list_(pa.string()), path)


def _number(name: str, *path: str) -> Column:
    return Column(name, pa.int64(), path)


def _flag(name: str, *path: str) -> Column:
    return Column(name, pa.bool_(), path)


def _time(name: str, *path: str) -> Column:
    return Column(name, pa.timestamp("us", "UTC"), path)


def _json(name: str, *path: str) -> Column:
    return Column(name, pa.binary(), path, "json")


_CQ_COLUMNS: Final = (
    Column("_cq_id", pa.binary(16), extension="uuid"),
    Column("_cq_parent_id", pa.binary(16), extension="uuid"),
)
_REGION: Final = _text("region", key=True)

REGIONS: Final = Table(
    "aws_regions",
    "AWS's regions, and whether the account has them enabled.",
    (_text("region", "RegionName", key=True), _text("endpoint"), _text("opt_in_status")),
)
ZONES: Final = Table(
    "aws_availability_zones",
    "The availability zones of each region.",
    (
        _REGION,
        _text("zone_id", key=True),
        _text("zone_name"),
        _text("zone_type"),
        _text("group_name"),
        _text("network_border_group"),
        _text("state"),
        _json("messages"),
    ),
    parent=REGIONS,
)
VPCS: Final = Table(
    "aws_ec2_vpcs",
    "The account's virtual networks.",
    (
        _REGION,
        _text("vpc_id", key=True),
        _text("owner_id"),
        Column("cidr_block", pa.binary(), extension="inet"),
        Column("cidr_blocks", pa.list_(pa.binary()), extension="inet"),
        _text("dhcp_options_id"),
        _text("instance_tenancy"),
        _flag("is_default"),
        _text("state"),
        _json("tags"),
    ),
)
SUBNETS: Final = Table(
    "aws_ec2_subnets",
    "The subnets of the account's virtual networks.",
    (
        _REGION,
        _text("subnet_id", key=True),
        _text("subnet_arn"),
        _text("vpc_id"),
        _text("availability_zone"),
        Column("cidr_block", pa.binary(), extension="inet"),
        _number("available_ip_address_count"),
        _flag("default_for_az"),
        _flag("map_public_ip_on_launch"),
        Column(
            "private_dns_name_options",
            pa.struct([("hostname_type", pa.string()), ("enable_resource_name_dns_a_record", pa.bool_())]),
            ("PrivateDnsNameOptionsOnLaunch",),
        ),
        _text("state"),
        _json("tags"),
    ),
)
OFFERINGS: Final = Table(
    "aws_ec2_instance_type_offerings",
    "Which instance type can be had in which availability zone.",
    (_REGION, _text("location", key=True), _text("instance_type", key=True), _text("location_type")),
)
INSTANCE_TYPES: Final = Table(
    "aws_ec2_instance_types",
    "What each instance type is: processor, memory, disks, network.",
    (
        _REGION,
        _text("instance_type", key=True),
        _flag("current_generation"),
        _flag("bare_metal"),
        _text("hypervisor"),
        _number("vcpus", "VCpuInfo", "DefaultVCpus"),
        _number("memory_mib", "MemoryInfo", "SizeInMiB"),
        Column("clock_ghz", pa.float64(), ("ProcessorInfo", "SustainedClockSpeedInGhz")),
        _text("manufacturer", "ProcessorInfo", "Manufacturer"),
        _texts("architectures", "ProcessorInfo", "SupportedArchitectures"),
        Column("valid_cores", pa.list_(pa.int64()), ("VCpuInfo", "ValidCores")),
        _texts("supported_usage_classes"),
        _texts("supported_boot_modes"),
        _text("network_performance", "NetworkInfo", "NetworkPerformance"),
        Column(
            "ebs",
            pa.struct(
                [
                    ("baseline_bandwidth_in_mbps", pa.int64()),
                    ("baseline_iops", pa.int64()),
                    ("maximum_bandwidth_in_mbps", pa.int64()),
                    ("maximum_iops", pa.int64()),
                ]
            ),
            ("EbsInfo", "EbsOptimizedInfo"),
        ),
        _json("network_info"),
        _json("instance_storage_info"),
        _json("gpu_info"),
    ),
)
IMAGES: Final = Table(
    "aws_ec2_images",
    "Machine images (AMIs).",
    (
        _REGION,
        _text("image_id", key=True),
        _text("name"),
        _text("description"),
        _text("owner_id"),
        _text("image_owner_alias"),
        _text("architecture"),
        _text("platform"),
        _text("state"),
        _text("boot_mode"),
        _text("virtualization_type"),
        _text("root_device_name"),
        _flag("public"),
        _time("creation_date"),
        _time("deprecation_time"),
        _json("block_device_mappings"),
        _json("tags"),
    ),
)
POLICIES: Final = Table(
    "aws_iam_policies",
    "Managed policies, AWS's and the account's, each with the document of its default version.",
    (
        _text("arn", key=True),
        _text("policy_id"),
        _text("policy_name"),
        _text("path"),
        _text("default_version_id"),
        _number("attachment_count"),
        _flag("is_attachable"),
        _time("create_date"),
        _time("update_date"),
        _json("document"),
    ),
)

TABLES: Final = (REGIONS, ZONES, VPCS, SUBNETS, INSTANCE_TYPES, IMAGES, POLICIES, OFFERINGS)
"""Every table, parents before their children."""
