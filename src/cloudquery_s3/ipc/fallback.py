"""The one way out of every fast path."""

from __future__ import annotations


class FallBackToArrow(Exception):  # noqa: N818 -- no error: these bytes may be as sound as any others
    """These bytes are not laid out as CloudQuery's writers do it: Arrow's own reader has to read them."""
