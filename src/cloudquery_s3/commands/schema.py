"""`cloudquery-s3 schema`."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudquery_s3.commands.cloudquery_file import file_schema
from cloudquery_s3.spec.schema import json_schema

_WholeFile = Annotated[
    bool,
    typer.Option(
        "--whole-file", help="Print a schema for a whole CloudQuery file, sources and other destinations included."
    ),
]


def schema(*, whole_file: _WholeFile = False) -> None:
    """Print the JSON schema of the destination's `spec`.

    It is what `cloudquery validate-config` applies. Editors take the one of the whole file for completion and checks.
    """
    typer.echo(file_schema() if whole_file else json_schema())
