"""`cloudquery-s3 serve`, as the help lists it."""

from __future__ import annotations

import typer


def serve(context: typer.Context) -> None:
    """Serve the plugin over gRPC until a signal; see `cloudquery-s3 serve --help`."""
    from cloudquery_s3.server import serve as server  # noqa: PLC0415 -- the other commands do not need it

    raise typer.Exit(server.main(context.args))
