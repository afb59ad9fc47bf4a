"""Specs for tests: a small valid one, and changes to it."""

from __future__ import annotations

import json
from typing import Any, Final

from cloudquery_s3.spec import Spec

LEFT_OUT: Final = object()
"""In place of a value: the option is not written at all."""

INVOCATION_ID: Final = "5f0bb06c-6b5c-4a35-9dd4-7a0a1e1f7f4b"


def written(**changes: Any) -> dict[str, Any]:
    """Return a spec as a user writes it: the four required options, and changes."""
    small = {"bucket": "b", "region": "r", "path": "{{TABLE}}/{{UUID}}.{{FORMAT}}", "format": "json"}
    return {name: value for name, value in (small | changes).items() if value is not LEFT_OUT}


def parsed(**changes: Any) -> Spec:
    """Parse a small spec with changes."""
    return Spec.parse(json.dumps(written(**changes)).encode(), invocation_id=INVOCATION_ID)
