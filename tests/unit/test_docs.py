"""The documentation: its options and commands exist, its specs work, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from jsonschema import Draft202012Validator

import chromium
import cloudquery_s3
import program
from cloudquery_s3.commands.app import build_app
from cloudquery_s3.commands.iam_policy import policies
from cloudquery_s3.spec.aws_options import Credentials, ServerSideEncryption
from cloudquery_s3.spec.file_format import CsvSpec, JsonSpec, ParquetSpec
from cloudquery_s3.spec.lake import Glue, Iceberg
from cloudquery_s3.spec.manifest import Manifest
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of
from specs import parsed, written

ROOT = Path(__file__).parents[2]
GUIDE = sorted((ROOT / "docs").glob("*.md"))
PAGES = [
    ROOT / "README.md",
    *GUIDE,
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
]
HOUSEKEEPING = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / ".pre-commit-config.yaml"]
EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))

OPTIONS = {
    name
    for model in (Options, CsvSpec, JsonSpec, ParquetSpec, Credentials, ServerSideEncryption, Manifest, Glue, Iceberg)
    for name in fields_of(model)
}
OUTSIDE = {
    # the CLI's own keys, columns and tables
    "write_mode", "migrate_mode", "pk_mode", "sync_group_id", "send_sync_summary", "_cq_id", "_cq_sync_time",
    "_cq_source_name", "_cq_sync_group_id", "_cq_parent_id", "aws_ec2_instances", "aws_iam_policies", "aws_regions",
    # other systems' words
    "enable_list_inference", "json_extract", "read_json", "read_csv", "union_by_name", "endpoint_url",
    "remove_orphan_files", "partitioned_by", "csv_escape",
    "credential_process", "mfa_serial", "login_session", "ca_bundle", "request_checksum_calculation",
    # values, not names
    "when_required", "when_supported",
    "aws_inventory",
}  # fmt: skip
"""Words with an underscore that are no options of this plugin."""

INSIDE = {
    *(
        "benchmarks.md",
        "compatibility.md",
        "errors.md",
        "guarantees.md",
        "loading.md",
        "operations.md",
        "publication.md",
        "telemetry.md",
    ),
}

ENVIRONMENT = dict.fromkeys(
    ("BUCKET", "AWS_REGION", "AWS_API_ENDPOINT", "EXTERNAL_ID", "CATALOG_CREDENTIAL", "CATALOG_URI"), "value"
) | {"ENDPOINT": ""}


def blocks(page: Path, language: str) -> list[str]:
    """The contents of a page's code blocks in a language."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def yaml_blocks() -> list[Any]:
    """Every YAML block of every page, named by its page."""
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page, "yaml"))
        if not block.startswith("--8<--")  # an example's file, which test_example_specs checks
    ]


@pytest.mark.parametrize("block", yaml_blocks())
def test_specs_in_pages(block: str, tmp_path: Path) -> None:
    """`check` accepts every spec in the documentation, and knows every option in its excerpts."""
    block = re.sub(r"path: \S*/cloudquery-s3\b", f"path: {program.PROGRAM}", block)  # where the reader has it
    content = next(yaml.safe_load_all(re.sub(r"\$\{\w+\}", "x", block)))
    file = tmp_path / "spec.yml"
    if isinstance(content, dict) and "kind" not in content:
        content = written() | without_clashes(content)
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
    else:
        file.write_text(block, encoding="utf-8")
    said = program.run("check", file, folder=ROOT, **ENVIRONMENT)
    assert said.status == 0, said.output
    unknown = [warning for warning in said.findings("warning") if "is not an option" in warning]
    assert not unknown


REQUIRED_IN: dict[str, dict[str, Any]] = {
    "server_side_encryption_configuration": {"server_side_encryption": "aws:kms"},
    "iceberg": {"catalog": {"type": "glue"}},
    "glue": {"database": "cloudquery"},
}
"""What must be in a group of options, whichever of them an excerpt is about."""


def without_clashes(excerpt: dict[str, Any]) -> dict[str, Any]:
    """Complete an excerpt of a spec, so that it can stand: whole groups, the format they ask for, a fitting path."""
    details = (excerpt.get("format_spec") or {}).keys()
    needs_json = "json_columns" in details
    needs_parquet = details & fields_of(ParquetSpec).keys() or "write_empty_objects_for_empty_tables" in excerpt
    if "format" not in excerpt and (needs_parquet or details):
        excerpt = {**excerpt, "format": "parquet" if needs_parquet else "json" if needs_json else "csv"}
    completed = {name: REQUIRED_IN[name] | excerpt[name] for name in REQUIRED_IN.keys() & excerpt.keys()}
    excerpt = {**excerpt, **completed}
    if "iceberg" in excerpt and "format" not in excerpt:
        excerpt = {**excerpt, "format": "parquet"}
    return {**excerpt, "path": "{{TABLE}}"} if excerpt.get("no_rotate") else excerpt


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_example_specs(file: Path) -> None:
    """`check` accepts every example without a warning, run where the examples say."""
    said = program.run("check", file, folder=ROOT, **ENVIRONMENT)
    assert said.status == 0, said.output
    assert said.findings("warning") == []


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_schema_of_whole_files(file: Path) -> None:
    """The schema that editors take accepts every example, variables included, and refuses what is out of place."""
    schema = Draft202012Validator(json.loads(program.run("schema", "--whole-file").output))
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        assert [error.message for error in schema.iter_errors(document)] == []
        assert not schema.is_valid(document | {"spec": document["spec"] | {"bucket": "out-of-place"}})
        if document["kind"] == "destination":
            assert not schema.is_valid({**document, "spec": {**document["spec"], "spec": {"bucket": 1}}})


def test_no_option_is_invented() -> None:
    """Every word with an underscore that the pages show as code is an option, or known to be something else.

    Pages about the inside, or other systems, name other things too: there a word counts that is nearly an option.
    """
    for page in (page for page in PAGES if page.parent.name != "examples"):  # their source has options of its own
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        named = re.findall(r"`((?:[a-z0-9]+\.)?_?[a-z0-9]+(?:_[a-z0-9]+)+)(?::[^`]*)?`", prose)
        unknown = {word for word in named if word.rpartition(".")[2] not in OPTIONS | OUTSIDE}
        if page.name in INSIDE:
            unknown = {word for word in unknown if get_close_matches(word.rpartition(".")[2], OPTIONS, cutoff=0.8)}
        assert not unknown, page


def test_no_option_is_missing() -> None:
    """Every option is explained in the guide too, and not only listed in the reference."""
    guide = "".join(page.read_text(encoding="utf-8") for page in GUIDE if page.name != "spec.md")
    assert {name for name in OPTIONS if not re.search(rf"\b{name}\b", guide)} == set()


def test_commands_are_complete() -> None:
    """commands.md has a section for each command, and its every flag; no page names a flag that does not exist."""
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    commands = typer.main.get_command(build_app()).commands  # type: ignore[attr-defined] # a group
    assert set(re.findall(r"^## `(\w+)`$", page, re.MULTILINE)) == set(commands)
    flags = {flag for command in commands.values() for option in command.params for flag in option.opts}
    flags = {flag for flag in flags if flag.startswith("-")} - {"--help"}
    missing = {flag for flag in flags if f"`{flag}`" not in page}
    assert not missing
    served = {"--address", "--network", "--log-level", "--log-format"}
    served |= {"--otel-endpoint", "--otel-endpoint-insecure", "--metrics-address"}
    assert {flag for flag in served if f"`{flag}`" not in page} == set()
    known = flags | served | {"--help", "--version"}
    for text in (file.read_text(encoding="utf-8") for file in PAGES):
        for call in re.findall(r"^ *(?:\.venv/bin/)?cloudquery-s3 [^\n]*", text, re.MULTILINE):
            assert set(re.findall(r" (--?[a-zA-Z][\w-]*)", call)) <= known, call
            assert call.split()[1] in commands, call


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Every relative link leads to a file, and to a heading of it where it names one."""
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as mkdocs and code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs.yml lists every page of docs/."""
    pages = {file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")}
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert pages <= set(listed)


def test_the_code_of_pages_is_run() -> None:
    """Code that is not of a shell stands in pages alone whose tests run it, or say why they cannot."""
    runners = {
        "iceberg.md": "tests/unit/catalogs/test_iceberg_readers.py",
        "loading.md": "tests/contract/test_loading.py",
        "operations.md": "tests/contract/test_shared_service.py",
        "publication.md": "tests/publication/test_reader_recipes.py",
        "quick-start.md": "tests/contract/test_readme.py",
    }
    with_code = {
        page.name for page in PAGES if re.search(r"^ *```(?:sql|python|nginx|ini)$", page.read_text(), re.MULTILINE)
    }
    assert with_code == runners.keys()
    assert all((ROOT / test).is_file() for test in runners.values())


@pytest.fixture(scope="module", params=["", "https://github.com/someone/something"], ids=["nowhere", "repository"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages: of a build that is not told where the repository is, and of one that is."""
    folder = tmp_path_factory.mktemp("site")
    command = [str(program.PROGRAM.with_name("mkdocs")), "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PROJECT_REPOSITORY_URL": request.param}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_needs_no_network(site: Path) -> None:
    """The built pages load nothing from elsewhere: no script, font or diagram; each leads to the next one."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(?:script|link|img)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//", text), page
        assert 'class="mermaid"' not in text  # the theme would fetch what draws it
        assert 'class="md-footer__link' in text or page.name == "404.html"
        assert "data-md-component=source" not in text.replace('"', "")  # the theme would ask the host for its stars


def test_the_site_leads_to_the_repository(site: Path, request: pytest.FixtureRequest) -> None:
    """Every page has a link to the repository, where the build was told its address, and else none."""
    address = request.node.callspec.params["site"]
    for page in site.rglob("*.html"):
        found = re.findall(r'<a href="([^"]*)"[^>]*class="md-source"', page.read_text(encoding="utf-8"))
        assert set(found) == ({address} if address else set()), page


def test_the_search_needs_no_server(site: Path, tmp_path: Path) -> None:
    """In a page that is opened from its folder, as a file, the search finds what the pages say."""
    asked = f"{(site / 'index.html').as_uri()}?q=bucket"
    drawn = chromium.run(tmp_path, "--virtual-time-budget=8000", "--dump-dom", asked)
    found = re.search(r'class="md-search-result__meta">(\d+) matching documents<', drawn)
    assert found
    assert int(found[1]) > 10


@pytest.mark.parametrize("name", ["index", "quick-start", "errors"])
def test_the_site_on_a_phone(name: str, site: Path, tmp_path: Path) -> None:
    """On a phone no page is wider than the screen, and messages of errors and diagrams are shown whole."""
    html = (
        (site / f"{name}.html").read_text(encoding="utf-8").replace("<head>", f'<head><base href="{site.as_uri()}/">')
    )
    script = """
    const whole = one => one.scrollWidth <= one.clientWidth;
    return [whole(page.documentElement), ...[...page.querySelectorAll('.language-text code')].map(whole)]
    """
    assert set(chromium.measured(html, script, tmp_path, width=390)) == {True}


def test_the_policy_in_the_guide() -> None:
    """The policy that authentication.md shows for its spec is the one that `check` prints for it."""
    page = ROOT / "docs" / "authentication.md"
    spec = yaml.safe_load(blocks(page, "yaml")[0])["spec"]["spec"]
    assert json.loads(blocks(page, "json")[0]) == policies(parsed(**spec)).needed


def test_targets_exist() -> None:
    """Every `make` target that a page names is in the Makefile."""
    targets = make_targets()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for line in re.findall(r"`make ([^`]+)`|^ *(?:\w+=\S+ )*make ([^#\n]+)", text, re.MULTILINE):
            named = set(re.split(r" \w+=", "".join(line))[0].split())
            assert named <= targets, (page.name, line)


@pytest.mark.parametrize("file", HOUSEKEEPING, ids=lambda file: file.name)
def test_housekeeping(file: Path) -> None:
    """Workflows, templates and hooks are YAML, and the `make` targets that workflows run exist."""
    text = file.read_text(encoding="utf-8")
    assert isinstance(yaml.safe_load(text), dict)
    for run in re.findall(r"run: make ([a-z0-9 -]+)$", text, re.MULTILINE):
        assert set(run.split()) <= make_targets(), run


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_changelog() -> None:
    """The changelog's top version is the package's, with a date, below what is unreleased."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(cloudquery_s3.__version__)}\] - \d{{4}}-\d\d-\d\d", headings[1])
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
