"""Whatever a user's file holds, `check` says something about it and never breaks."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cloudquery_s3.commands import go_yaml
from cloudquery_s3.commands.cloudquery_file import REGISTRIES, file_schema
from cloudquery_s3.commands.destinations import contents, is_s3
from cloudquery_s3.commands.diagnosis import diagnose
from cloudquery_s3.commands.spec_file import read_documents
from cloudquery_s3.errors import SpecError
from specs import INVOCATION_ID

SCHEMA = Draft202012Validator(json.loads(file_schema()))
PIECES = [
    *("kind: destination\n", "spec:\n", "  spec:\n", "    bucket: b\n", "  name: x\n", "---\n", "- ", "? ", ": "),
    *("{", "}", "[", "]", "&a ", "*a", "<<: ", "!!binary ", "!!int ", "!x ", "'", '"', "|\n", "# "),
    *("${A}", "${file:x}", "${", "7", "1e3", "0o9", ".inf", ".nan", "0x", "~", "{{TABLE}}"),
    *("\n", " ", "\t", "\u2028", "\x00", "\xa0", "é", "9" * 5_000),
]
KEYS = st.sampled_from(["kind", "spec", "bucket", "path", "format", "format_spec", "credentials", "registry"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | KEYS, inner, max_size=4),
    max_leaves=12,
)


@example(text="!!binary \xa0")
@example(text="9" * 5_000)
@given(text=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join))
@settings(max_examples=200, deadline=None)
def test_any_text(text: str) -> None:
    """Any text is either read or refused with a SpecError; what is read can be examined."""
    try:
        documents = read_documents(text, {"A": "007"})
    except SpecError:
        return
    for found in contents(documents, Path()).specs:
        diagnose(found.data, invocation_id=INVOCATION_ID)


DESTINATION = st.dictionaries(KEYS, st.just("local") | JSON, max_size=5).map(
    lambda outer: {"kind": "destination", "spec": outer}
)


@given(content=JSON | DESTINATION)
@settings(max_examples=200, deadline=None)
def test_any_content(content: object) -> None:
    """Any content, as YAML or JSON, is examined: there is a spec to use, or a problem to mend, never neither."""
    text = json.dumps(content).replace("${", "$")  # the CLI, too, would see a variable
    for found in contents(read_documents(text, {}), Path()).specs:
        diagnosis = diagnose(found.data, invocation_id=INVOCATION_ID)
        assert (diagnosis.spec is None) == bool(diagnosis.problems)


WORDS = st.lists(st.sampled_from(["s3", "S3", "cloudquery", "pg", "4", "-", "_", "/", "\\", ":", "."]), min_size=1).map(
    "".join
)


@given(name=WORDS, path=WORDS, registry=st.sampled_from(["", *REGISTRIES, None]))
@settings(max_examples=300, deadline=None)
def test_the_schema_knows_whose_a_destination_is(name: str, path: str, registry: str | None) -> None:
    """The schema of the whole file takes that for this plugin's which `check` takes for it, by the same names."""
    outer = {"name": name, "path": path} | ({} if registry is None else {"registry": registry})
    document = {"kind": "destination", "spec": {**outer, "write_mode": "append", "spec": {"bucket": 1}}}
    assert SCHEMA.is_valid(document) != is_s3(outer)


@given(value=JSON)
@settings(max_examples=200, deadline=None)
def test_writing_and_reading(value: object) -> None:
    """What is written without comments reads as what it was."""
    assume(not re.search(r"[\x85\u2028\u2029]|\\u(0085|2028|2029|fe)", json.dumps(value)))
    value = go_yaml.load(json.dumps(value)).value  # numbers as Go has them
    assert go_yaml.load(go_yaml.dump(value)).value == value
