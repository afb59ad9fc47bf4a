"""`cloudquery-s3 schema`."""

from __future__ import annotations

import typer

from cloudquery_s3.spec.schema import json_schema


def schema() -> None:
    """Print the JSON schema of the destination's `spec`.

    It is what `cloudquery validate-config` applies; editors take it for completion and checks.
    """
    typer.echo(json_schema())
