"""Names of columns: each once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

RENAMED: Final = "a column of a name that is taken is written under another name"


def distinct(names: Sequence[str], *, ignore_case: bool = False) -> list[str]:
    """Return the names, later ones of the same name with `_2`, `_3` and so on behind them.

    No new name is another one of them, whatever its case. With `ignore_case`, names that differ only in case are the
    same name.
    """
    taken = {name.casefold() for name in names}
    seen: set[str] = set()
    result = []
    for name in names:
        key = name.casefold() if ignore_case else name
        if key in seen:
            number = 2
            while (new := f"{name}_{number}").casefold() in taken:
                number += 1
            taken.add(new.casefold())
            result.append(new)
        else:
            seen.add(key)
            result.append(name)
    return result


def differing_in_case(fields: pa.Schema | pa.StructType) -> Iterator[list[str]]:
    """Yield each group of names of columns, or of a struct's members, that differ in case alone."""
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for field in fields:
        groups[field.name.casefold()][field.name] = None
    for group in groups.values():
        if len(group) > 1:
            yield list(group)


def name_warnings(schema: pa.Schema) -> list[str]:
    """Return what the user of a table should know of its columns' names, a line each; empty where there is nothing."""
    return [
        f"columns {', '.join(group)} differ in case alone: Spark refuses such files, Athena and Trino see one of them; "
        f"rename one in the source, or write Parquet with format_spec.types: portable, which adds a suffix to it"
        for group in differing_in_case(schema)
    ]
