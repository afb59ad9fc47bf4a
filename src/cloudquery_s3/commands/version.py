"""`cloudquery-s3 version` and `--version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed
from typing import Final

import typer

from cloudquery_s3 import __version__

_SHOWN: Final = ("pyarrow", "hpack", "botocore", "protobuf")


def version() -> None:
    """Print the versions of this plugin and of what it runs on: the lines to put into a bug report."""
    typer.echo(_own_line())
    typer.echo(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in _SHOWN:
        typer.echo(f"{name} {installed(name)}")


def print_and_exit(asked: bool) -> None:  # noqa: FBT001 -- typer's signature of an option's callback
    """Print the version alone, and end."""
    if asked:
        typer.echo(_own_line())
        raise typer.Exit


def _own_line() -> str:
    return f"cloudquery-s3 {__version__}"
