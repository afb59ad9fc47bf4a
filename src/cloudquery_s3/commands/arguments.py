"""What several commands take: where the spec is, and whose spec it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecFile = Annotated[
    Path,
    typer.Argument(
        metavar="SPEC", exists=True, help="A CloudQuery YAML file, a folder of them, or the plugin's bare spec."
    ),
]
Destination = Annotated[
    str,
    typer.Option(
        "--destination",
        metavar="NAME",
        help="Only the destination of this name: where there are several, or where it is not called s3.",
    ),
]
