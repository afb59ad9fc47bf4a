from __future__ import annotations

import json
from typing import Any

import pytest

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import Credentials, Spec
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import fields_of, values_of
from specs import INVOCATION_ID, parsed, written

REQUIRED = '"bucket":"b","region":"r","path":"{{UUID}}","format":"json"'


def parse(text: str | bytes) -> Spec:
    """Parse a document as it is."""
    return Spec.parse(text if isinstance(text, bytes) else text.encode(), invocation_id=INVOCATION_ID)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "the spec is not JSON (Expecting value at line 1, column 1)"),
        ("{", "the spec is not JSON"),
        ("{} {}", "the spec is not JSON (Extra data"),
        ('{"bucket": NaN}', "the spec is not JSON (NaN is not JSON)"),
        ("[" * 100_000, "the spec is not JSON (it is nested too deeply)"),
        (b"\xff\xfe", "the spec is not JSON"),
        (b"\xef\xbb\xbf{}", "the spec is not JSON"),
        ("null", "the spec is empty: write at least bucket, region, path and format"),
        ("[]", "the spec must be an object of named values, not a list"),
        ('"x"', "the spec must be an object of named values, not a string"),
        ("1", "the spec must be an object of named values, not a number"),
    ],
)
def test_not_an_object(document: str | bytes, message: str) -> None:
    """What is no JSON object is an ordinary error that names no field."""
    with pytest.raises(SpecError) as caught:
        parse(document)
    assert str(caught.value).startswith(message)
    assert caught.value.field == ""


STRINGS = [name for name, info in fields_of(Options).items() if info.kind is str]
NUMBERS = [name for name, info in fields_of(Options).items() if info.kind in (int, int | None)]
SWITCHES = [name for name, info in fields_of(Options).items() if info.kind is bool]
CHOICES = ["format", "compression", "acl", "request_checksums", "create_only"]
LISTS = [name for name, info in fields_of(Options).items() if info.kind == list[str]]
OBJECTS = ["format_spec", "credentials", "glue", "iceberg", "manifest", "server_side_encryption_configuration"]


def test_every_option_has_a_kind() -> None:
    """The kinds that are tried below are all the options' kinds."""
    assert sorted(STRINGS + NUMBERS + SWITCHES + CHOICES + LISTS + OBJECTS) == sorted(fields_of(Options))


WRONG = [
    *((name, value, "a string") for name in STRINGS + CHOICES for value in (1, True, [], {}, 1.5)),
    *(
        (name, value, "a whole number of at most 64 bits")
        for name in NUMBERS
        for value in ("1", True, 5.3, 1e3, 2**63, -(2**63) - 1, [], {})
    ),
    *((name, value, "a list of strings") for name in LISTS for value in (1, "x", {}, True)),
    *((name, value, "true or false") for name in SWITCHES for value in (1, 0, "true", [], {})),
    *((name, value, "an object of named values") for name in OBJECTS for value in (1, "x", [], True)),
    *((f"credentials.{name}", 1, "a string") for name in fields_of(Credentials)),
]


@pytest.mark.parametrize(("field", "value", "expected"), WRONG, ids=[f"{name}-{kind}" for name, _, kind in WRONG])
def test_wrong_kind(field: str, value: Any, expected: str) -> None:
    """A value of the wrong JSON kind is refused with the field, what it must be and what it is."""
    for part in reversed(field.split(".")):
        value = {part: value}
    with pytest.raises(SpecError) as caught:
        parsed(**value)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: must be {expected}")


@pytest.mark.parametrize("number", ["5.3", "1e3", "1.0", "9223372036854775808", "1" * 5000])
def test_not_a_whole_number(number: str) -> None:
    """A fraction, an exponent or more than 64 bits is not a whole number, even where its value is one."""
    with pytest.raises(SpecError, match=r"^batch_size: must be a whole number of at most 64 bits, not a number with"):
        parse(f'{{{REQUIRED},"batch_size":{number}}}')


def test_largest_number() -> None:
    """64 bits are enough."""
    assert parse(f'{{{REQUIRED},"batch_size":{2**63 - 1}}}').batch_size == 2**63 - 1


@pytest.mark.parametrize("name", [name for name in fields_of(Options) if name not in written()])
def test_null_is_not_set(name: str) -> None:
    """Null stands for the default of every option that has one."""
    assert parsed(**{name: None}) == parsed()


@pytest.mark.parametrize("name", list(written()))
def test_null_is_missing(name: str) -> None:
    """Null for a required option is the same as leaving it out."""
    with pytest.raises(SpecError, match=f"^{name}: is missing"):
        parsed(**{name: None})


def test_keys_match_in_any_case() -> None:
    """Keys match whatever their case, nested ones and those of format_spec too."""
    spec = parse(
        '{"Bucket":"b","REGION":"r","path":"{{UUID}}","Format":"csv",'
        '"Credentials":{"Local_Profile":"p"},"FORMAT_SPEC":{"Delimiter":";"}}'
    )
    assert spec.bucket == "b"
    assert spec.credentials == Credentials(local_profile="p")
    assert values_of(spec.format_spec) == {"delimiter": ";", "skip_header": False, "timestamp_separator": "T"}
    assert spec.warnings == ()


def test_the_last_duplicate_wins() -> None:
    """Of a repeated key the last one counts, whatever its case, and the user hears of it."""
    spec = parse(f'{{{REQUIRED},"BUCKET":"c","bucket":"d","Bucket":"e"}}')
    assert spec.bucket == "e"
    assert set(spec.warnings) == {"bucket: is written more than once; the last one counts"}


def test_unknown_keys_are_ignored_with_a_warning() -> None:
    """An unknown key is ignored at the top and in lenient objects, with the nearest option suggested."""
    spec = parse(f'{{{REQUIRED},"no_rotatee":true,"x":1,"credentials":{{"role":"x"}}}}')
    assert spec.warnings == (
        "no_rotatee: is not an option; did you mean no_rotate?; it is ignored",
        "x: is not an option; it is ignored",
        "credentials.role: is not an option; did you mean role_arn?; it is ignored",
    )


def test_many_unknown_keys_take_no_time() -> None:
    """Of sixty thousand unknown keys twenty are named, with the nearest option, and the others counted."""
    spec = parse(json.dumps(written() | {f"k{number:x}": 1 for number in range(60_000)}))
    assert len(spec.warnings) == 21
    assert spec.warnings[-1] == "spec: 59980 more keys are no options, and are ignored"


@pytest.mark.parametrize("options", [{"format": "x" * 900_000}, {"x" * 900_000: 1}, {"path": "x" * 900_000}])
def test_long_texts_make_short_messages(options: dict[str, Any]) -> None:
    """A key or value of any length is shown by its beginning, and nothing near it is looked for in all of it."""
    try:
        shown = parse(json.dumps(written() | options)).warnings
    except SpecError as error:
        shown = (str(error),)
    assert 0 < len("".join(shown)) < 300


def test_strange_keys_are_shown_safely() -> None:
    """A key with a line end, or endless, is shown on one short line."""
    spec = parse(json.dumps(written() | {"a\nb": 1, "k" * 500: 2}))
    assert spec.warnings[0] == '"a\ufffdb": is not an option; it is ignored'
    assert len(spec.warnings[1]) < 120


@pytest.mark.parametrize("format_spec", ['{"Delimiter":",","x":1}', '{"x":null}'])
def test_format_spec_is_strict(format_spec: str) -> None:
    """An unknown key of format_spec is an error, even with null."""
    with pytest.raises(SpecError, match=r"^format_spec\.x: is not an option; remove it or mend its name$"):
        parse(f'{{{REQUIRED.replace("json", "csv")},"format_spec":{format_spec}}}')


def test_nulls_in_format_spec_are_absent() -> None:
    """Null inside format_spec is the default."""
    spec = parsed(format="csv", format_spec={"delimiter": None, "skip_header": None})
    assert spec.format_spec == parsed(format="csv").format_spec


def test_lone_surrogates_are_replaced() -> None:
    """An escape that is no character becomes the replacement character, as in Go."""
    assert parse(f'{{{REQUIRED},"content_type":"\\ud800x"}}').content_type == "\ufffdx"


def test_escaped_markup() -> None:
    """`<`, `>` and `&` arrive escaped from the CLI and are read as themselves."""
    assert parse(f'{{{REQUIRED},"content_type":"\\u003c\\u0026"}}').content_type == "<&"
