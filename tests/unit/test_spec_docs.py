from __future__ import annotations

import json
import re
from pathlib import Path

from cloudquery_s3.object_key import PLACEHOLDERS
from cloudquery_s3.spec import Spec
from cloudquery_s3.spec.aws_options import Credentials, ServerSideEncryption
from cloudquery_s3.spec.docs import spec_markdown
from cloudquery_s3.spec.file_format import CsvSpec, JsonSpec, ParquetSpec
from cloudquery_s3.spec.lake import Glue, Iceberg
from cloudquery_s3.spec.manifest import Manifest
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of
from cloudquery_s3.spec.schema import json_schema

PAGE = Path(__file__).parents[2] / "docs" / "spec.md"


def test_the_page_is_up_to_date() -> None:
    """docs/spec.md is what the source makes of it: `python -m cloudquery_s3.spec.docs > docs/spec.md`."""
    assert PAGE.read_text(encoding="utf-8") == spec_markdown()


def test_one_list_of_options() -> None:
    """Code, schema, table and sections have the same options in the same order."""
    page = spec_markdown()
    options = list(fields_of(Options))
    assert list(fields_of(Spec)) == options
    assert list(json.loads(json_schema())["properties"]) == options
    assert re.findall(r"^\| \[`(\w+)`\]\(#\1\)", page, re.MULTILINE) == options
    assert re.findall(r"^### `(\w+)`$", page, re.MULTILINE) == options


def test_nested_options() -> None:
    """Every option of a nested object has its section."""
    nested = {
        "format_spec": (CsvSpec, JsonSpec, ParquetSpec),
        "server_side_encryption_configuration": (ServerSideEncryption,),
        "credentials": (Credentials,),
        "manifest": (Manifest,),
        "glue": (Glue,),
        "iceberg": (Iceberg,),
    }
    expected = {f"{name}.{field}" for name, models in nested.items() for m in models for field in fields_of(m)}
    assert set(re.findall(r"^#### `([\w.]+)`$", spec_markdown(), re.MULTILINE)) == expected


def test_every_placeholder_is_documented() -> None:
    """The page's table has every placeholder."""
    assert re.findall(r"^\| `(\{\{\w+\}\})`", spec_markdown(), re.MULTILINE) == list(PLACEHOLDERS)
