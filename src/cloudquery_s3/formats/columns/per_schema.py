"""What follows from a schema, made once for all objects of its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

Made = TypeVar("Made")

_MOST: Final = 256


class PerSchema(Generic[Made]):
    """Makes something of a schema, or returns what it made of an equal one, metadata included.

    Threads may share it, and what it makes: at worst a thing is made twice.
    """

    def __init__(self, make: Callable[[pa.Schema], Made]) -> None:
        self._make = make
        self._made: dict[bytes, Made] = {}

    def __call__(self, schema: pa.Schema) -> Made:
        """Return what belongs to a schema; raises what making it raises."""
        key = schema.serialize().to_pybytes()
        made = self._made.get(key)
        if made is None:
            made = self._make(schema)
            if len(self._made) >= _MOST:
                self._made.clear()
            self._made[key] = made
        return made
