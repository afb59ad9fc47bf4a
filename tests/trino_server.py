"""Trino within a test: a server of one process on loopback, at a free port, whose catalogues the tests make.

`make trino` fetches it, and `make readers` its client; where one of them or Java 24 is absent the tests are skipped.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import tempfile
import time
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server_programs import ROOT, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3_servers import S3Server

_HOME = ROOT / ".tools" / "trino"
_JAVA_VERSION = 24
"""The oldest that this Trino runs with."""

_JVM = (
    "-Xmx2g",
    "-Duser.timezone=America/Bahia_Banderas",  # not UTC: what a reader sees must not hang on it
    "-XX:+UseSerialGC",
    "-Djdk.attach.allowAttachSelf=true",
    "--add-modules=jdk.incubator.vector",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
_START_TIMEOUT_S = 240

CATALOG = {"hive.recursive-directories": "true", "hive.parquet.time-zone": "UTC"}
"""What docs/loading.md and `ddl` have a Hive catalogue be told."""


@dataclass
class Trino:
    """A running server.

    Args:
        port: where it listens, on loopback.
        folder: where its metastores lie.
    """

    port: int
    folder: Path
    _catalogs: dict[str, str] = field(default_factory=dict)

    def rows(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one session, and return the rows of the last one."""
        from trino.dbapi import connect  # noqa: PLC0415 -- skipped where it is absent

        with connect(host="127.0.0.1", port=self.port, user="test", timezone="UTC") as connection:
            found: list[tuple[Any, ...]] = []
            for statement in statements:
                cursor = connection.cursor()
                cursor.execute(statement)
                found = [tuple(row) for row in cursor.fetchall()]
            return found

    def scanned(self, query: str) -> tuple[int, int]:
        """Run a query of one table, and return how many splits its scan had, and how many rows it read.

        A small file is one split.
        """
        plan = "\n".join(row[0] for row in self.rows(f"EXPLAIN ANALYZE VERBOSE {query}"))
        splits = re.search(r"\bSplits: (\d+)", plan)
        rows = re.search(r"\bInput: (\d+) row", plan)
        assert splits, plan
        assert rows, plan
        return int(splits[1]), int(rows[1])

    def hive(self, server: S3Server, **properties: str) -> str:
        """Return a schema of the Hive connector, as `catalog.schema`, that is new and whose files are on a server.

        The catalogue has the properties of `CATALOG` if no others are given.
        """
        properties = (properties or CATALOG) | {
            "hive.metastore": "file",
            "hive.metastore.catalog.dir": "local:///metastore",
            "fs.native-local.enabled": "true",
            "local.location": str(self.folder),
        }
        catalog = self._catalog("hive", _s3(server) | properties)
        schema = f"{catalog}.s{uuid.uuid4().hex[:12]}"
        self.rows(f"CREATE SCHEMA {schema}")
        return schema

    def iceberg(self, server: S3Server, catalog_url: str) -> str:
        """Return a catalogue of the Iceberg connector: a REST catalogue whose files are on a server."""
        return self._catalog("iceberg", self.iceberg_properties(server, catalog_url))

    @staticmethod
    def iceberg_properties(server: S3Server, catalog_url: str) -> dict[str, str]:
        """Return the properties of that catalogue."""
        return _s3(server) | {"iceberg.catalog.type": "rest", "iceberg.rest-catalog.uri": catalog_url}

    def _catalog(self, connector: str, properties: dict[str, str]) -> str:
        """Return a catalogue with these properties: a new one, if there is none."""
        listed = ", ".join(f"\"{name}\" = '{value}'" for name, value in sorted(properties.items()))
        definition = f"USING {connector} WITH ({listed})"
        if definition not in self._catalogs:
            name = f"c{len(self._catalogs)}"
            self.rows(f"CREATE CATALOG {name} {definition}")
            self._catalogs[definition] = name
        return self._catalogs[definition]


def _s3(server: S3Server) -> dict[str, str]:
    return {
        "fs.native-s3.enabled": "true",
        "s3.endpoint": server.endpoint,
        "s3.region": "us-east-1",
        "s3.path-style-access": "true",
        "s3.aws-access-key": server.access_key,
        "s3.aws-secret-key": server.secret_key,
    }


@contextmanager
def trino_server() -> Iterator[Trino]:
    """Run Trino until the block ends. It forgets everything then."""
    if importlib.util.find_spec("trino") is None:
        pytest.skip("Trino's client is not installed: run `make readers`")
    if not (_HOME / "lib").is_dir():
        pytest.skip("there is no Trino: run `make trino` (needs Maven, and Java 24 to run)")
    java = _java()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="trino-") as folder:
        config = Path(folder, "config.properties")
        config.write_text(
            f"coordinator=true\nnode-scheduler.include-coordinator=true\ncatalog.management=dynamic\n"
            f"catalog.store=memory\nhttp-server.log.enabled=false\nhttp-server.http.port={port}\ndiscovery.uri=http://127.0.0.1:{port}\n"
            f"plugin.dir={_HOME / 'plugin'}\n",
            encoding="utf-8",
        )
        node = {"environment": "test", "id": "test", "data-dir": folder, "bind-ip": "127.0.0.1"}
        node |= {"internal-address": "127.0.0.1"}
        options = [f"-Dnode.{name}={value}" for name, value in node.items()]
        command = [str(java), *_JVM, *options, f"-Dconfig={config}", "-cp", f"{_HOME}/lib/*"]
        with running([*command, "io.trino.server.TrinoServer"], port, timeout_s=_START_TIMEOUT_S):
            _wait_until_started(port)
            yield Trino(port, Path(folder))


def _java() -> Path:
    homes = [os.environ[name] for name in ("TRINO_JAVA_HOME", "JAVA_HOME") if name in os.environ]
    for home in [*map(Path, homes), *sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)]:
        release = home / "release"
        found = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE) if release.is_file() else None
        if found and int(found[1]) >= _JAVA_VERSION:
            return home / "bin" / "java"
    pytest.skip(f"Trino needs Java {_JAVA_VERSION} or newer: set TRINO_JAVA_HOME")


def _wait_until_started(port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=_START_TIMEOUT_S) as answer:
            if not json.load(answer)["starting"]:
                return
        time.sleep(0.1)
    raise TimeoutError(f"Trino has not started after {_START_TIMEOUT_S} s")
