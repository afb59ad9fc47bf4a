"""An S3 server whose bucket is made up as it is asked for: a sync in many parts, of many objects each."""

from __future__ import annotations

import argparse
import hashlib
import threading
import uuid
from bisect import bisect_right
from collections import defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

import orjson
import pyarrow as pa

from cloudquery_s3.committed import fingerprint
from cloudquery_s3.publication.manifest import described

TABLES: Final = 50
COLUMNS: Final = 21
SIZE_BYTES: Final = 1_000_000
ROWS: Final = 10_000
BUCKET: Final = "synthetic"
SYNC_ID: Final = "s"
_PAGE: Final = 1000
_NO_DOCUMENT: Final = b"<Error><Code>NoSuchKey</Code></Error>"


def etag(name: str) -> str:
    """The entity tag of what has this name."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


class Syncs:
    """What is in the bucket.

    Args:
        parts: of the sync.
        objects: of each part.
    """

    def __init__(self, parts: int, objects: int) -> None:
        self.documents: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self._objects = objects
        schema = pa.schema([(f"column_{n}", pa.string()) for n in range(COLUMNS)])
        self._schema_id, self._schema = fingerprint(schema), described(schema, {})
        self._manifests = {
            f"_cloudquery/manifests/sync_id={SYNC_ID}/{uuid.UUID(etag(f'manifest {part}'))}.json": part
            for part in range(parts)
        }
        self._keys = sorted(key for part in range(parts) for _, key in self._entries(part))

    def get(self, key: str) -> bytes | None:
        """A document's bytes."""
        with self.lock:
            if key in self.documents:
                return self.documents[key]
        part = self._manifests.get(key)
        return None if part is None else self._manifest(part)

    def put(self, key: str, body: bytes) -> None:
        """Keep a document."""
        with self.lock:
            self.documents[key] = body

    def listing(self, prefix: str, after: str) -> bytes:
        """A page of a listing."""
        keys = sorted({*self._manifests, *self.documents}) if prefix.startswith("_") else self._keys
        start = bisect_right(keys, max(after, prefix)) if after or prefix else 0
        page = [key for key in keys[start : start + _PAGE] if key.startswith(prefix)]
        more = len(page) == _PAGE
        contents = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>2026-11-26T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{etag(key)}&quot;</ETag><Size>{SIZE_BYTES}</Size><StorageClass>STANDARD</StorageClass>"
            "</Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        return (
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        ).encode()

    def _entries(self, part: int) -> list[tuple[str, str]]:
        named = []
        for number in range(self._objects):
            table = f"aws_table_{number % TABLES}"
            named.append((table, f"data/{table}/{uuid.UUID(etag(f'{part} {number}'))}.parquet"))
        return named

    def _manifest(self, part: int) -> bytes:
        tables: dict[str, Any] = defaultdict(list)
        for table, key in self._entries(part):
            tables[table].append(
                {
                    "url": f"s3://{BUCKET}/{key}",
                    "mandatory": True,
                    "meta": {"content_length": SIZE_BYTES, "record_count": ROWS},
                    "key": key,
                    "etag": etag(key),
                    "checksum": {"algorithm": "CRC32", "value": "AAAAAA==", "type": "FULL_OBJECT"},
                    "schema": self._schema_id,
                    "partition": {},
                }
            )
        totals = {"rows": ROWS * self._objects, "bytes": SIZE_BYTES * self._objects, "objects": self._objects}
        moment = datetime(2026, 11, 26, tzinfo=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return orjson.dumps(
            {
                "manifest_version": 1,
                "kind": "write",
                "status": "complete",
                "error": None,
                "sync_id": SYNC_ID,
                "attempt_id": str(uuid.UUID(etag(f"attempt {part}"))),
                "part": str(part),
                "sources": [f"aws_{part + 1}_{len(self._manifests)}"],
                "sync_times": [moment],
                "sync_group_ids": [],
                "plugin": {"name": "cloudquery-destination-s3", "version": "0"},
                "started_at": moment,
                "ended_at": moment,
                "bucket": BUCKET,
                "path": "data/{{TABLE}}/{{UUID}}.{{FORMAT}}",
                "format": "parquet",
                "compression": None,
                "no_rotate": False,
                **totals,
                "retries": 0,
                "altered_cells": 0,
                "schemas": {self._schema_id: self._schema},
                "tables": {
                    name: {
                        "status": "complete",
                        "error": None,
                        "rows": ROWS * len(entries),
                        "bytes": SIZE_BYTES * len(entries),
                        "objects": len(entries),
                        "altered": {},
                        "schema": self._schema_id,
                        "entries": entries,
                    }
                    for name, entries in tables.items()
                },
            }
        )


def handler(syncs: Syncs) -> type[BaseHTTPRequestHandler]:
    """What answers requests about these syncs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            if "list-type" in query:
                after = query.get("continuation-token") or query.get("start-after", "")
                self._answer(200, syncs.listing(query["prefix"], after))
                return
            key = unquote(url.path.removeprefix(f"/{BUCKET}/"))
            body = syncs.get(key)
            if body is None:
                self._answer(404, _NO_DOCUMENT)
                return
            asked = self.headers.get("range", "").removeprefix("bytes=0-")
            self._answer(206 if asked else 200, body[: int(asked) + 1] if asked else body, etag(key))

        def do_PUT(self) -> None:
            key = unquote(urlsplit(self.path).path.removeprefix(f"/{BUCKET}/"))
            syncs.put(key, self.rfile.read(int(self.headers["content-length"])))
            self._answer(200, b"", etag(key))

        def _answer(self, status: int, body: bytes, tag: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if tag:
                self.send_header("ETag", f'"{tag}"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    request_queue_size = 256


def main() -> None:
    """Serve until killed; print the endpoint."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--objects", type=int, required=True)
    options = parser.parse_args()
    server = _Server(("127.0.0.1", 0), handler(Syncs(options.parts, options.objects)))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
