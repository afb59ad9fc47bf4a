"""`cloudquery-s3 check`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cloudquery_s3.commands.destinations import plugin_specs
from cloudquery_s3.commands.diagnosis import diagnose
from cloudquery_s3.commands.iam_policy import policies
from cloudquery_s3.commands.report import Report
from cloudquery_s3.commands.spec_file import files_of, read_documents
from cloudquery_s3.errors import PluginError, SpecError

if TYPE_CHECKING:
    from cloudquery_s3.commands.destinations import PluginSpec
    from cloudquery_s3.spec import Spec

EXAMPLE_TABLE: Final = "aws_ec2_instances"

_SpecFile = Annotated[
    Path,
    typer.Argument(
        metavar="SPEC", exists=True, help="A CloudQuery YAML file, a folder of them, or the plugin's bare spec."
    ),
]
_Table = Annotated[str, typer.Option(metavar="NAME", help="The table whose keys are shown.")]
_Connect = Annotated[
    bool,
    typer.Option("--connect", help="Try the bucket as well: write the test object, with the credentials found here."),
]


def check(spec: _SpecFile, *, table: _Table = EXAMPLE_TABLE, connect: _Connect = False) -> None:
    """Say all that is wrong with a spec at once; for a good one, show its keys and the IAM policy it needs.

    Reads the file as the CloudQuery CLI does, ${VARIABLES} included, and takes each S3 destination in it. Nothing is
    sent anywhere without --connect.

    Exit codes: 0 a sync can begin (there may be warnings), 1 it cannot, 2 the command was called wrongly.
    """
    report = Report()
    found = 0
    for file in files_of(spec):
        try:
            documents = read_documents(file)
        except SpecError as error:
            report.problem(str(file), str(error))
            continue
        for plugin_spec in plugin_specs(documents, Path.cwd()):
            found += 1
            _check_one(f"{file}: {plugin_spec.name}", plugin_spec, report, table=table, connect=connect)
    if not found and not report.problems:
        report.problem(str(spec), "there is no S3 destination in it: write kind: destination, or the bare spec")
    report.summary(found)
    raise typer.Exit(1 if report.problems else 0)


def _check_one(where: str, found: PluginSpec, report: Report, *, table: str, connect: bool) -> None:
    sync_id = str(uuid.uuid4())
    diagnosis = diagnose(found.data, invocation_id=sync_id)
    of_spec = [str(problem) for problem in diagnosis.problems if not found.awaits_variable(problem.field)]
    problems = found.problems + of_spec
    for problem in problems:
        report.problem(where, problem)
    for warning in (*found.warnings, *diagnosis.warnings):
        report.warning(where, warning)
    if problems or diagnosis.spec is None:
        return
    try:
        _show(where, diagnosis.spec, report, table=table, sync_id=sync_id)
        if connect:
            _connect(diagnosis.spec, sync_id)
            report.good(where, "the test object was written")
    except PluginError as error:
        report.problem(where, str(error))


def _show(where: str, spec: Spec, report: Report, *, table: str, sync_id: str) -> None:
    template = spec.path_template(sync_id=sync_id)
    now = datetime.now(UTC)
    keys = {f"an object of table {table}": template.render(table, file_id=str(uuid.uuid4()), now=now)}
    if spec.test_write:
        keys["the test object"] = template.render("TEST_TABLE", file_id="TEST_UUID", now=now)
    report.keys(where, {what: f"s3://{spec.bucket}/{key}" for what, key in keys.items()})
    wanted = policies(spec)
    whose = "the role" if wanted.assume else "the identity that writes"
    report.policy(where, f"needed, for {whose}", wanted.needed)
    report.policy(where, f"helpful, for {whose} (see the documentation, Authentication)", wanted.helpful)
    if wanted.assume:
        report.policy(where, "for the identity that assumes the role", wanted.assume)


def _connect(spec: Spec, sync_id: str) -> None:
    from cloudquery_s3.server.destination import Destination  # noqa: PLC0415 -- Arrow and botocore: half a second

    Destination.connect(spec.model_copy(update={"test_write": True}), sync_id=sync_id).retire()
