from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudquery_s3.commands.spec_file import files_of, read_documents, read_file
from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path


def read(text: str, **environment: str) -> Any:
    """The content of a file's only document."""
    (document,) = read_documents(text, environment)
    return document.content


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${X}", 7),
        ('"${X}"', "007"),
        ("'${X}'", "007"),
        ("a-${X}", "a-007"),
        ('"a-${X}/${Y}"', "a-007/true"),
        ("${Y}", True),
        ("[a, ${Y}]", ["a", True]),
        ("{a: ${Y}}", {"a": True}),
        ("${EMPTY}", None),
        ('"${EMPTY}"', ""),
        ("a # ${UNSET}", "a"),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5", 1.5),
        ("0644", 420),
        ("yes", True),
        ("2026-01-02", "2026-01-02"),
        ("9007199254740993", 9007199254740993),
        ('"{{TABLE}}"', "{{TABLE}}"),
        ("~", None),
        ("${time:now|2006}", "${time:now|2006}"),
    ],
)
def test_values(text: str, value: object) -> None:
    """A value is what the CloudQuery CLI makes of it; tests/contract/test_spec_file_cli.py asks the real one."""
    found = read(f"key: {text}\n", X="007", Y="true", EMPTY="")
    assert json.dumps(found) == json.dumps({"key": value})


def test_missing_variables() -> None:
    """Every variable without a value is named once and stays as written."""
    text = 'a: "${A}"\nb: [x${B}, "${A}"]\nc: "${file:none.txt}"\n'
    (document,) = read_documents(text, {})
    assert sorted(document.missing) == ["A", "B", "file:none.txt"]
    assert document.content == {"a": "${A}", "b": ["x${B}", "${A}"], "c": "${file:none.txt}"}


def test_files(tmp_path: Path) -> None:
    """`${file:path}` is the file's content; in quotes it is text, whatever it holds."""
    (tmp_path / "value.txt").write_text("12", encoding="utf-8")
    found = read(f'a: ${{file:{tmp_path}/value.txt}}\nb: "${{file:{tmp_path}/value.txt}}"\n')
    assert found == {"a": 12, "b": "12"}


def test_documents() -> None:
    """A file holds several documents; empty ones do not count."""
    text = "---\na: 1\n---\n# nothing\n---\nb: 2\n"
    assert [document.content for document in read_documents(text, {})] == [{"a": 1}, {"b": 2}]


def test_anchors() -> None:
    """Anchors and merge keys are followed; what is written beside a merge counts more."""
    assert read("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n")["b"] == {"p": 1, "q": 3}


def test_repeated_keys() -> None:
    """A key that is written twice is noted, and the last one counts."""
    text = "a: 1\na: 2\n"
    (document,) = read_documents(text, {})
    assert (document.content, document.warnings) == ({"a": 2}, ("a: is written more than once; the last one counts",))


@pytest.mark.parametrize("data", [b"a: [1", b"\xff\xfe\xff", b"a: b: c", b"a: \x07"])
def test_no_yaml(data: bytes, tmp_path: Path) -> None:
    """What is not YAML is an error that does not show the file's content."""
    file = tmp_path / "spec.yml"
    file.write_bytes(b"password: hidden\n" + data)
    with pytest.raises(SpecError, match="is not YAML") as caught:
        read_documents(read_file(file), {})
    assert "hidden" not in str(caught.value)


def test_a_folders_files(tmp_path: Path) -> None:
    """Of a folder, the visible YAML files count, by name."""
    for name in ("b.yaml", "a.yml", ".c.yml", "d.json"):
        (tmp_path / name).touch()
    assert [file.name for file in files_of(tmp_path)] == ["a.yml", "b.yaml"]


def test_what_is_not_read() -> None:
    """A document that is not divided from the one before by `---` alone on its line is not read; the line is named."""
    (first, second) = read_documents("a: 1\n---\nb: 2\n--- # more\nc: 3\n", {})
    assert (first.warnings, second.content) == ((), {"b": 2})
    assert second.warnings[0].startswith("line 4: from here on nothing is read")


def test_variables_that_break_the_file() -> None:
    """A variable whose text is no YAML in its place is named, and its text is not shown."""
    with pytest.raises(SpecError, match=r"not YAML any more once \$\{BAD\} is put in") as caught:
        read_documents("a: ${GOOD}\nb: ${BAD}\n", {"GOOD": "x", "BAD": "hidden: hidden: *hidden"})
    assert "hidden" not in str(caught.value)
