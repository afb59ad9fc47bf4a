"""The unit in which bytes pass from a format to a store."""

from __future__ import annotations

from typing import TypeAlias

Chunk: TypeAlias = bytes | memoryview
"""A piece of an object's bytes; an object is its chunks in order."""
