"""The command `cloudquery-s3`."""

from __future__ import annotations

import os
import sys
from typing import Final

GRPC_EXPERIMENTS: Final = "-event_engine_listener"
"""gRPC's newer listener wakes a thread for every message; without it receiving costs a third less (docs/benchmarks.md).
gRPC reads the variable when it is imported."""


def main() -> int:
    """Run the command line; `serve` goes its own short way, since the CLI waits for it to answer."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        os.environ.setdefault("GRPC_EXPERIMENTS", GRPC_EXPERIMENTS)
        from cloudquery_s3.server import serve  # noqa: PLC0415 -- the other commands do not need gRPC

        return serve.main(arguments[1:])
    from cloudquery_s3.commands.app import build_app  # noqa: PLC0415 -- `serve` does not need typer

    build_app()(arguments, prog_name="cloudquery-s3")
    return 0


if __name__ == "__main__":
    sys.exit(main())
