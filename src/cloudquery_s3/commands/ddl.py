"""`cloudquery-s3 ddl`."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from datetime import date, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from cloudquery_s3.commands.arguments import Destination, SpecFile
from cloudquery_s3.commands.one_spec import one_spec
from cloudquery_s3.errors import PluginError, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudquery_s3.catalogs.ddl.table import Table
    from cloudquery_s3.spec import Spec


class DialectName(StrEnum):
    """What can be chosen; `cloudquery_s3.catalogs.ddl.DIALECTS` has the same names, without being imported here."""

    ATHENA = "athena"
    TRINO = "trino"
    SPARK = "spark"
    DUCKDB = "duckdb"
    CLICKHOUSE = "clickhouse"
    SNOWFLAKE = "snowflake"
    BIGQUERY = "bigquery"
    REDSHIFT = "redshift"
    GLUE = "glue"


_Dialect = Annotated[
    DialectName, typer.Option("--dialect", metavar="ENGINE", help=f"Whose words to speak: {', '.join(DialectName)}.")
]
_Tables = Annotated[
    Path | None,
    typer.Option(
        "--tables",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="What `cloudquery tables --format json` has written: __tables.json.",
    ),
]
_Manifest = Annotated[
    str | None, typer.Option("--manifest", metavar="FILE|KEY", help="A manifest: a file, or a key in the bucket.")
]
_Object = Annotated[
    str | None, typer.Option("--object", metavar="FILE|KEY", help="A Parquet object: a file, or a key in the bucket.")
]
_Only = Annotated[
    list[str] | None, typer.Option("--table", metavar="NAME", help="Only tables of this name; `*` stands for any text.")
]
_Namespace = Annotated[
    str, typer.Option("--namespace", metavar="NAME", help="Database, schema or dataset that the tables are in.")
]
_Access = Annotated[
    str,
    typer.Option(
        "--access",
        metavar="NAME",
        help="How the engine gets at the bucket: Redshift's role, Snowflake's integration, BigQuery's connection.",
    ),
]
_Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", metavar="DATE", formats=["%Y-%m-%d"], help="First day of projected partitions (default: 2020-01-01)."
    ),
]


def ddl(  # noqa: PLR0913 -- each is an option that a user types
    spec: SpecFile,
    *,
    dialect: _Dialect,
    tables: _Tables = None,
    manifest: _Manifest = None,
    of_object: _Object = None,
    table: _Only = None,
    namespace: _Namespace = "",
    access: _Access = "",
    since: _Since = None,
    destination: Destination = "",
) -> None:
    """Print the SQL that makes the objects tables of an engine.

    Types are those of the files that the spec writes. Says which tables there are by exactly one of --tables (nothing
    is sent anywhere), --manifest and --object (from a file, or from the bucket with the credentials found here).

    Exit codes: 0 the statements are printed, 1 they cannot be made, 2 the command was called wrongly.
    """
    if sum(source is not None for source in (tables, manifest, of_object)) != 1:
        raise typer.BadParameter("say exactly one of --tables, --manifest and --object")
    try:
        parsed = one_spec(spec, destination)
        found = [one for one in _described(parsed, tables, manifest, of_object) if _wanted(one.name, table)]
        if not found:
            raise SpecError("there is no table of that name", field="--table")
        typer.echo(_script(parsed, dialect, found, namespace, access, since.date() if since else None), nl=False)
    except PluginError as error:
        typer.echo(f"{spec}: problem: {error}", err=True)
        raise typer.Exit(1) from None


def _described(spec: Spec, tables: Path | None, manifest: str | None, of_object: str | None) -> Iterator[Table]:
    from cloudquery_s3.catalogs.ddl import cli_tables, describe  # noqa: PLC0415 -- Arrow: half a second

    if of_object is not None:
        with _opened(spec, of_object) as file:
            yield describe.described_object(spec, file)
        return
    if tables is not None:
        schemas = cli_tables.schemas(_json(tables))
    else:
        with _opened(spec, manifest or "") as file:
            schemas = describe.manifest_schemas(file.read())
    for schema in schemas:
        yield describe.described(spec, schema)


def _script(spec: Spec, dialect: str, tables: list[Table], namespace: str, access: str, since: date | None) -> str:
    from cloudquery_s3.catalogs.ddl import DIALECTS  # noqa: PLC0415 -- Arrow: half a second
    from cloudquery_s3.catalogs.ddl.table import FIRST_DATE, Surroundings  # noqa: PLC0415 -- likewise

    manifests = f"s3://{spec.bucket}/{spec.manifest.home}" if spec.manifest else ""
    around = Surroundings(namespace, access, spec.region, since or FIRST_DATE, manifests)
    return DIALECTS[dialect](around).script(tables)


def _wanted(name: str, patterns: list[str] | None) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise SpecError("is not JSON", field="--tables") from None


@contextmanager
def _opened(spec: Spec, place: str) -> Iterator[BinaryIO]:
    """Open a file, or an object of the spec's bucket."""
    if Path(place).is_file():
        with Path(place).open("rb") as file:
            yield file
        return
    from cloudquery_s3.stores.s3 import s3_store  # noqa: PLC0415 -- botocore: a fifth of a second
    from cloudquery_s3.stores.stored_file import StoredFile  # noqa: PLC0415 -- likewise

    with (
        closing(s3_store(spec, content_type="")) as store,
        StoredFile(store.read(place.removeprefix(f"s3://{spec.bucket}/"))) as stored,
        BufferedReader(stored) as file,
    ):
        yield file
