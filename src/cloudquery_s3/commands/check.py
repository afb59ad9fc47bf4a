"""`cloudquery-s3 check`."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cloudquery_s3.commands.arguments import Destination
from cloudquery_s3.commands.destinations import contents, duplicates
from cloudquery_s3.commands.diagnosis import diagnose
from cloudquery_s3.commands.iam_policy import policies
from cloudquery_s3.commands.report import JsonReport, PolicyReport, Report, TextReport
from cloudquery_s3.commands.spec_file import files_of, read_document, read_file, sections
from cloudquery_s3.errors import CatalogError, PluginError, SpecError
from cloudquery_s3.spec.aws_names import bucket_faults, region_faults, unsupported_kinds
from cloudquery_s3.spec.path_advice import likely_clashes, many_partitions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudquery_s3.commands.destinations import Contents, PluginSpec
    from cloudquery_s3.commands.spec_file import Document
    from cloudquery_s3.object_key import PartitionField
    from cloudquery_s3.spec import Spec
    from cloudquery_s3.spec.model import Options

EXAMPLE_TABLE: Final = "aws_ec2_instances"
_EXAMPLES: Final = {"region": "eu-west-1", "account_id": "123456789012"}
"""Values of columns that many tables have, for keys with partitions."""

_STANDARD_INPUT: Final = "-"
_OTHER_STORES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Variables that name the endpoint of another store, where the spec does not."""

_Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="CloudQuery YAML files, folders of them, the plugin's bare spec, or - for standard input.",
    ),
]
_Table = Annotated[str, typer.Option(metavar="NAME", help="The table whose keys are shown.")]
_Connect = Annotated[
    bool,
    typer.Option(
        "--connect",
        help="Try the bucket as well, and catalogues: write the test object, with the credentials found here.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document with all that was found, for programs.")]
_Policy = Annotated[
    bool,
    typer.Option("--policy", help="Print the IAM policy that is needed, and nothing else; findings go to stderr."),
]


def check(
    files: _Files,
    *,
    table: _Table = EXAMPLE_TABLE,
    connect: _Connect = False,
    as_json: _Json = False,
    policy: _Policy = False,
    destination: Destination = "",
) -> None:
    """Report every problem at once; of a good spec, show its keys and the IAM policy it needs.

    Reads files as the CloudQuery CLI does, ${VARIABLES} included, and takes each S3 destination in them. Nothing is
    sent anywhere without --connect.

    Exit codes: 0 a sync can begin (there may be warnings), 1 it cannot, 2 the command was called wrongly.
    """
    if as_json and policy:
        raise typer.BadParameter("--json has the policies in it: write one of --json and --policy")
    for file in files:
        if str(file) != _STANDARD_INPUT and not file.exists():
            raise typer.BadParameter(f"there is no file {file}")
    report: Report = JsonReport() if as_json else PolicyReport() if policy else TextReport()
    for place in files:
        _check_place(place, report, destination, table=table, connect=connect)
    report.end()
    raise typer.Exit(1 if report.problems else 0)


def _check_place(place: Path, report: Report, destination: str, *, table: str, connect: bool) -> None:
    """Check a file, or a folder of them, in which the destination is expected, or one of S3 where it has no name."""
    others: list[str] = []
    before = report.destinations, report.problems
    for where, text in _texts(place, report):
        found = contents(_documents(where, text, report), Path.cwd(), wanted=destination)
        others += found.others
        _check_contents(where, found, report, table=table, connect=connect)
    if (report.destinations, report.problems) == before:
        what = f"destination {destination}" if destination else "S3 destination"
        passed = f"passed over: {', '.join(others)}; choose one with --destination" if others else ""
        hint = "write kind: destination, or the bare spec"
        report.problem(str(place), f"there is no {what} in it; {passed or hint}")


def _documents(where: str, text: str, report: Report) -> list[Document]:
    """Return the documents of a file that can be read, and report the others."""
    documents = []
    for section in sections(text):
        try:
            document = read_document(section)
        except SpecError as error:
            report.problem(where, str(error))
        else:
            documents += [] if document.content is None else [document]
    return documents


def _texts(place: Path, report: Report) -> Iterator[tuple[str, str]]:
    """Yield each file's name and text."""
    if str(place) == _STANDARD_INPUT:
        yield "standard input", sys.stdin.read()
        return
    for file in files_of(place):
        try:
            yield str(file), read_file(file)
        except SpecError as error:
            report.problem(str(file), str(error))


def _check_contents(where: str, found: Contents, report: Report, *, table: str, connect: bool) -> None:
    for problem in found.problems:
        report.problem(where, problem)
    for warning in found.warnings:
        report.warning(where, warning)
    for note in found.notes:
        report.note(where, note)
    for name in duplicates(found.specs):
        report.problem(where, f"name: two destinations are called {name}; give each its own")
    for plugin_spec in found.specs:
        report.destinations += 1
        _check_one(where, plugin_spec, report, table=table, connect=connect)


def _check_one(file: str, found: PluginSpec, report: Report, *, table: str, connect: bool) -> None:
    where = f"{file}: {found.name}"
    sync_id = str(uuid.uuid4())
    diagnosis = diagnose(found.data, invocation_id=sync_id)
    of_spec = [*diagnosis.problems, *_place_faults(diagnosis.options, os.environ)]
    problems = found.problems + [str(problem) for problem in of_spec if not found.awaits_variable(problem.field)]
    for problem in problems:
        report.problem(where, problem)
    path = diagnosis.options.path if diagnosis.options else ""
    for warning in (*found.warnings, *diagnosis.warnings, *likely_clashes(path), *many_partitions(path)):
        report.warning(where, warning)
    if problems or diagnosis.spec is None:
        return
    try:
        report.keys(where, _keys(diagnosis.spec, table=table, sync_id=sync_id))
        report.policies(where, policies(diagnosis.spec))
        if connect:
            _connect(where, diagnosis.spec, report, sync_id)
    except PluginError as error:
        report.problem(where, str(error))


def _place_faults(options: Options | None, environment: Mapping[str, str]) -> Iterator[SpecError]:
    """Yield why AWS has no such place, unless the place is another store, or why this plugin cannot write to it."""
    if options is None:
        return
    yield from unsupported_kinds(options.bucket)
    if not options.endpoint and not any(environment.get(name) for name in _OTHER_STORES):
        yield from region_faults(options.region)
        yield from bucket_faults(options.bucket, options.region)


def _keys(spec: Spec, *, table: str, sync_id: str) -> dict[str, str]:
    template = spec.path_template(sync_id=sync_id)
    now = datetime.now(UTC)
    what = f"an object of table {table}"
    keys = {}
    if template.partition_fields:
        values = [_example(field, now) for field in template.partition_fields]
        named = ", ".join(
            f"{field.name} {value}" for field, value in zip(template.partition_fields, values, strict=True)
        )
        keys[f"{what} with {named}"] = template.render(table, file_id=str(uuid.uuid4()), now=now, partition=values)
        what += " without values"
    keys[what] = template.render(table, file_id=str(uuid.uuid4()), now=now)
    if spec.test_write:
        keys["the test object"] = template.render("TEST_TABLE", file_id="TEST_UUID", now=now)
    return {what: f"s3://{spec.bucket}/{key}" for what, key in keys.items()}


def _example(field: PartitionField, now: datetime) -> str:
    """Return a value that a partition could have."""
    if field.kind == "COLUMN":
        return _EXAMPLES.get(field.column, f"some-{field.column}")
    formats = {"DATE": "%Y-%m-%d", "YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H"}
    return now.strftime(formats[field.kind])


def _connect(where: str, spec: Spec, report: Report, sync_id: str) -> None:
    """Try the bucket, and the catalogues that the spec names.

    Raises:
        PluginError: a sync could not begin, or its tables could not be kept.
    """
    from cloudquery_s3.server.destination import Destination  # noqa: PLC0415 -- Arrow and botocore: half a second

    Destination.connect(replace(spec, test_write=True), sync_id=sync_id).retire()
    report.good(where, "the test object was written")
    if spec.iceberg is not None:
        report.good(where, "the Iceberg catalogue answered")
    if spec.glue is not None:
        from cloudquery_s3.catalogs.glue import try_glue  # noqa: PLC0415 -- likewise

        try:
            try_glue(spec)
        except CatalogError as error:
            if spec.glue.required:
                raise
            report.warning(where, f"{error} (a warning, since glue.required is not set)")
        else:
            report.good(where, "Glue answered")
