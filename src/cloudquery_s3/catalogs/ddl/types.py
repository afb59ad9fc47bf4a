"""Arrow types in the words of a dialect, by a table that the dialect has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

HIVE_MISREADS: Final = frozenset({"uint32", "uint64"})
"""Types of Parquet that Hive's reader and Trino's take for others: both show 4294967295 as -1."""


class UnsupportedTypeError(ValueError):
    """A dialect has no type for a column."""


@dataclass(frozen=True, slots=True)
class TypeTable:
    """What a dialect calls each Arrow type.

    Attributes:
        names: by Arrow's name, as `type_key` gives it; what is missing is not supported.
        decimal: of a decimal, with `{precision}` and `{scale}`; the most digits are `decimal_digits`.
        list: of a list, with `{item}`.
        struct: of a struct, with `{fields}`.
        field: of one of a struct's fields, with `{name}` and `{type}`.
        map: of a map, with `{key}` and `{item}`.
        decimal_digits: the largest precision that there is.
    """

    names: Mapping[str, str]
    decimal: str = "decimal({precision},{scale})"
    list: str = "array<{item}>"
    struct: str = "struct<{fields}>"
    field: str = "{name}:{type}"
    map: str = "map<{key},{item}>"
    decimal_digits: int = 38

    def without(self, names: AbstractSet[str]) -> TypeTable:
        """Return the table without the types of these names."""
        return replace(self, names={name: kind for name, kind in self.names.items() if name not in names})

    def name(self, data_type: pa.DataType) -> str:
        """Return the dialect's type for values of an Arrow type.

        Raises:
            UnsupportedTypeError: it has none.
        """
        if pa.types.is_decimal(data_type):
            if data_type.precision > self.decimal_digits:
                raise UnsupportedTypeError(str(data_type))
            return self.decimal.format(precision=data_type.precision, scale=data_type.scale)
        if pa.types.is_map(data_type):
            return self.map.format(key=self.name(data_type.key_type), item=self.name(data_type.item_type))
        if pa.types.is_struct(data_type):
            fields = (self.field.format(name=part.name, type=self.name(part.type)) for part in data_type)
            return self.struct.format(fields=", ".join(fields))
        if pa.types.is_nested(data_type):
            return self.list.format(item=self.name(data_type.value_type))
        try:
            return self.names[type_key(data_type)]
        except KeyError:
            raise UnsupportedTypeError(str(data_type)) from None


def type_key(data_type: pa.DataType) -> str:
    """Return what a type is called in a `TypeTable`: `int64`, `time64[us]`, `timestamp[us]`, `timestamptz[us]`."""
    if pa.types.is_timestamp(data_type):
        return f"timestamp{'tz' if data_type.tz else ''}[{data_type.unit}]"
    if pa.types.is_large_string(data_type) or pa.types.is_string_view(data_type):
        return "string"
    if pa.types.is_fixed_size_binary(data_type) or pa.types.is_large_binary(data_type):
        return "binary"
    return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(data_type), str(data_type))
