"""Whether the objects that manifests list are in the bucket as they were written.

A listing tells size and entity tag of a thousand objects for the price of a dozen requests for one, so objects that lie
together are listed and the others are asked for one by one: a million objects take minutes otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cloudquery_s3.publication.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloudquery_s3.publication.progress import Progress
    from cloudquery_s3.stores.bucket import Bucket, ListedObject

Kind: TypeAlias = Literal["missing", "altered"]

_PAGE: Final = 1_000
"""Objects in one page of a listing."""

_KEYS_A_PAGE: Final = 12
"""A page is asked for while it may save so many single requests: what it costs on AWS."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An object that is not as its manifest says.

    Attributes:
        key: where it should be.
        kind: whether it is missing, or another one is there.
        why: the difference, in words.
    """

    key: str
    kind: Kind
    why: str


def expectation(entry: Mapping[str, Any]) -> str:
    """Return what is known of an entry's object, packed: a million of them are held at once."""
    checksum = entry["checksum"]
    digest = f"{checksum['algorithm']}:{checksum['value']}" if checksum else ""
    return f"{entry['meta']['content_length']} {entry['etag']} {digest}"


def inspect(bucket: Bucket, expected: Mapping[str, str], progress: Progress) -> list[Fault]:
    """Return the objects that are missing or altered, by the order of their keys.

    An object whose size and entity tag are the manifest's is there. Where the tag differs or none is known (a copied
    bucket, encryption with KMS) the checksum decides; where there is none either, a differing tag counts as altered.

    Args:
        bucket: where they are.
        expected: an `expectation` by key.
        progress: is told how many are done.

    Raises:
        StoreError: the bucket could not be read.
    """
    faults: list[Fault] = []
    progress.begin("checking objects", len(expected))
    for found, checked in in_parallel(partial(_inspect_some, bucket, expected), _tasks(expected)):
        faults += found
        progress.advance(checked)
    return sorted(faults, key=lambda fault: fault.key)


def difference(bucket: Bucket, key: str, expected: str, *, size_bytes: int, etag: str) -> Fault | None:
    """Return what is wrong with an object that is there, of this size and entity tag."""
    known_size, known_etag, digest = expected.split(" ", 2)
    if size_bytes != int(known_size):
        return Fault(key, "altered", f"it has {size_bytes} bytes, and {known_size} were written")
    if known_etag == etag:
        return None
    head = bucket.head(key) if digest else None
    if digest and head is not None and head.checksum is not None:
        checksum = f"{head.checksum.algorithm}:{head.checksum.value}"
        if checksum.partition(":")[0] == digest.partition(":")[0]:
            return None if checksum == digest else Fault(key, "altered", f"its checksum is {checksum}, not {digest}")
    if not known_etag:
        return None  # the store told no tag and keeps no checksum: its size is all that can be held against it
    return Fault(key, "altered", f"its entity tag is {etag}, not {known_etag}")


def _tasks(expected: Iterable[str]) -> Iterator[list[str]]:
    """Yield keys of one folder, in order, no more than a page of a listing holds."""
    folders: dict[str, list[str]] = defaultdict(list)
    for key in expected:
        folders[_folder(key)].append(key)
    for keys in folders.values():
        keys.sort()
        for start in range(0, len(keys), _PAGE):
            yield keys[start : start + _PAGE]


def _inspect_some(bucket: Bucket, expected: Mapping[str, str], keys: list[str]) -> tuple[list[Fault], int]:
    faults: list[Fault] = []
    remaining = dict.fromkeys(keys)
    for listed in _listed(bucket, keys):
        if listed.key in remaining:
            del remaining[listed.key]
            known = expected[listed.key]
            fault = difference(bucket, listed.key, known, size_bytes=listed.size_bytes, etag=listed.etag)
            faults += [fault] if fault else []
        if not remaining:
            break
    for key in remaining:
        head = bucket.head(key)
        if head is None:
            faults.append(Fault(key, "missing", "there is no object at this key"))
            continue
        fault = difference(bucket, key, expected[key], size_bytes=head.size_bytes, etag=head.etag)
        faults += [fault] if fault else []
    return faults, len(keys)


def _listed(bucket: Bucket, keys: list[str]) -> Iterator[ListedObject]:
    """Yield what is listed from the first of some keys to the last, while that costs less than asking for each."""
    first, last, pages = keys[0], keys[-1], len(keys) // _KEYS_A_PAGE
    if pages:
        listing = bucket.list(_folder(first), start_after=first[:-1])
        yield from takewhile(lambda listed: listed.key <= last, islice(listing, pages * _PAGE))


def _folder(key: str) -> str:
    """Return a key's folder with its slash, or "" at the top."""
    return key[: key.rfind("/") + 1]
