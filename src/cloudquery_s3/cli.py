"""The command `cloudquery-s3`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; `serve` goes its own short way, since the CLI waits for it to answer."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        from cloudquery_s3.server import serve  # noqa: PLC0415 -- the other commands do not need it

        return serve.main(arguments[1:])
    from cloudquery_s3.commands.app import build_app  # noqa: PLC0415 -- `serve` does not need typer

    build_app()(arguments, prog_name="cloudquery-s3")
    return 0


if __name__ == "__main__":
    sys.exit(main())
