"""What AWS cannot have for a bucket or a region, and what kinds of buckets this plugin does not write to. Pure.

Other stores may have any name: these are no rules of a spec. `region_faults` and `bucket_faults` count only where no
endpoint of another store is configured.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec.decode import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UNSUPPORTED: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    ("directory buckets (S3 Express One Zone)", lambda bucket: bucket.endswith(("--x-s3", "--xa-s3"))),
    ("multi-region access points", lambda bucket: bucket.startswith("arn:") and bucket.endswith(".mrap")),
    ("S3 on Outposts", lambda bucket: ":s3-outposts:" in bucket or bucket.endswith("--op-s3")),
    ("object Lambda access points", lambda bucket: ":s3-object-lambda:" in bucket or bucket.endswith("--ol-s3")),
)
"""Kinds of buckets that want other signatures or sessions of their own, by how their names look."""

_ZONE: Final = re.compile(r"((?:[a-z]{2,3}-)+[a-z]+-\d)(?:[a-z]|-[a-z]{3}-\d[a-z])")
"""A region and what makes a zone of it: `us-east-1a`, `us-west-2-lax-1a`."""

_ZONE_ID: Final = re.compile(r"[a-z]{3,4}\d-az\d")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
"""What may be a bucket's name, at some store: ARNs are judged elsewhere."""

_HOST: Final = re.compile(r"(.+)\.s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")
_OLD_NAMES: Final = "us-east-1"
"""The one region where names with capitals and underscores could be made, until 2018."""


def unsupported_kinds(bucket: str) -> Iterator[SpecError]:
    """Yield that a bucket is of a kind that this plugin does not write to."""
    for name, is_one in _UNSUPPORTED:
        if is_one(bucket):
            yield SpecError(
                f"{name} are not supported: write a bucket or an access point of one region", field="bucket"
            )


def region_faults(region: str) -> Iterator[SpecError]:
    """Yield why AWS has no such region."""
    zone = _ZONE.fullmatch(region)
    if zone:
        yield SpecError(f"{quoted(region)} is a zone; write its region, {zone[1]}", field="region")
    elif _ZONE_ID.fullmatch(region):
        yield SpecError(f"{quoted(region)} is a zone; write its region, such as us-east-1", field="region")
    elif region != region.lower() or "_" in region:
        likely = region.lower().replace("_", "-")
        yield SpecError(f"{quoted(region)} is no region; write {quoted(likely)}", field="region")


def bucket_faults(bucket: str, region: str) -> Iterator[SpecError]:
    """Yield why AWS has no such bucket in this region."""
    if not _NAME.fullmatch(bucket):
        return
    host = _HOST.fullmatch(bucket)
    if host:
        yield SpecError(f"is a host's name; write the bucket's name alone, {quoted(host[1])}", field="bucket")
    elif re.search(r"[A-Z_]", bucket) and region != _OLD_NAMES:
        yield SpecError(
            f"{quoted(bucket)} cannot be: names of buckets have small letters, digits, dots and hyphens", field="bucket"
        )
