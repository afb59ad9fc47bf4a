"""The command line as typer knows it: what `--help` shows, and which module does what.

Exit codes: 0 is well, 1 a problem was found, 2 the command was called wrongly.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from cloudquery_s3.commands import (
    check,
    ddl,
    expire,
    html_report,
    package,
    publish,
    schema,
    serve,
    syncs,
    verify,
    version,
)

_HELP: Final = """\
CloudQuery destination plugin for S3: tables as Parquet, JSON lines or CSV.

The CloudQuery CLI starts this program by itself (registry: local, path: the path of this program). The other commands
are for people: write a spec, `check` it, then `cloudquery sync` it.

Exit codes: 0 all is well, 1 a problem was found, 2 the command was called wrongly.
"""


class _Command(TyperCommand):
    """Shows arguments and flags as manuals do: without braces, and without the names of Python's types."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [piece.translate({ord("{"): None, ord("}"): None}) for piece in super().collect_usage_pieces(ctx)]

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        return [_without_type(param) for param in super().get_params(ctx)]


class _Program(TyperGroup):
    """Shows the program's own flags likewise."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        return [_without_type(param) for param in super().get_params(ctx)]


def _without_type(param: Any) -> Any:
    """Have an argument or a flag, whose name says enough, shown without its type; typer has no setting for it."""
    if param.param_type_name == "argument" or getattr(param, "is_flag", False):
        param.display_type_rich = lambda **_: None
    return param


def build_app() -> typer.Typer:
    """Return the application; its help is coloured and framed on a terminal only."""
    app = typer.Typer(
        name="cloudquery-s3",
        cls=_Program,
        help=_HELP,
        no_args_is_help=True,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown" if sys.stdout.isatty() else None,
    )
    app.callback(help=_HELP)(_root)
    forgiving = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    app.command("serve", context_settings=forgiving, short_help="Serve the plugin: what the CLI runs.")(serve.serve)
    app.command("check", cls=_Command, short_help="Report every problem of a spec, its keys and its IAM policy.")(
        check.check
    )
    app.command("ddl", cls=_Command, short_help="Print the SQL that makes the objects tables of an engine.")(ddl.ddl)
    app.command("syncs", cls=_Command, short_help="List the syncs in the bucket, as their manifests tell.")(syncs.syncs)
    app.command("verify", cls=_Command, short_help="Compare the bucket with its manifests.")(verify.verify)
    app.command("publish", cls=_Command, short_help="Declare a sync whole, once all of its parts are.")(publish.publish)
    app.command("expire", cls=_Command, short_help="List the syncs that no reader needs, and delete them.")(
        expire.expire
    )
    app.command("report", cls=_Command, short_help="Make a page about a sync: one HTML file.")(html_report.report)
    app.command("schema", cls=_Command, short_help="Print the JSON schema of the spec.")(schema.schema)
    app.command("package", cls=_Command, short_help="Lay out dist/ for `cloudquery plugin publish`.")(package.package)
    app.command("version", cls=_Command, short_help="Print the versions of this plugin and of what it runs on.")(
        version.version
    )
    return app


def _root(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=version.print_and_exit),
    ] = False,
) -> None:
    del show_version  # its callback has done all there is to do
