"""Log lines are what the CloudQuery CLI reads: one JSON object a line, short enough, of levels that it knows."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudquery_s3 import scope
from cloudquery_s3.server import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE_BYTES = 4096  # the CLI cuts longer ones, level and all


def line(level: int, message: str, error: BaseException | None = None, **fields: object) -> str:
    """A record as a line for the CLI, which adds the time."""
    trace = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("cloudquery_s3.x", level, "file", 1, message, None, trace)
    vars(record).update(fields)
    return logs.JsonLine(timed=False).format(record)


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Puts the logging of the tests back where a test has configured it."""
    root, own = logging.getLogger(), logging.getLogger("cloudquery_s3")
    handlers, level, own_level = root.handlers[:], root.level, own.level
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(level)
    own.setLevel(own_level)


@settings(max_examples=300)
@given(
    st.one_of(st.text(max_size=200), st.text('é\n"\\\x00😀', min_size=500, max_size=6000)),
    st.dictionaries(st.sampled_from(["table", "key", "rows", "reason"]), st.text() | st.integers() | st.none()),
)
def test_any_message(message: str, fields: dict[str, object]) -> None:
    """Whatever is logged is one short line of JSON, with level and message, and without a time of its own."""
    text = line(logging.ERROR, message.replace("%", "%%"), **fields)
    assert "\n" not in text
    assert len(text.encode()) < LONGEST_LINE_BYTES
    found = json.loads(text)
    assert found["level"] == "error"
    assert "time" not in found
    said = found["message"]
    assert message.replace("%", "%%").startswith(said.rstrip("…")) or said == message


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warn"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
        (25, "info"),
    ],
)
def test_levels(level: int, name: str) -> None:
    """Every level has a name that the CLI knows and counts by."""
    assert json.loads(line(level, "m"))["level"] == name


def test_fields_and_traces() -> None:
    """Fields stand beside the message, a trace too; where they are too long, the longest go and the others stay."""
    error = ValueError("bad")
    found = json.loads(line(logging.INFO, "m", error, rows=5, table="t", odd=object))
    assert (found["rows"], found["table"]) == (5, "t")
    assert "ValueError: bad" in found["trace"]
    left = {"level": "info", "message": "m", "table": "t"}
    assert json.loads(line(logging.INFO, "m", rows="x" * 5000, table="t")) == left


def test_lines_for_people() -> None:
    """In `text` a line has level, message and fields, and a trace below it."""
    record = logging.LogRecord("n", logging.WARNING, "f", 1, "told %s", ("so",), None)
    record.table = "t"
    assert logs.TextLine().format(record).endswith("WARNING told so table=t")
    record.exc_info = (ValueError, ValueError("bad"), None)
    assert logs.TextLine().format(record).splitlines()[-1] == "ValueError: bad"


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("trace", ["debug", "info", "warn", "error"]),
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
        ("nonsense", ["info", "warn", "error"]),
    ],
)
@pytest.mark.usefixtures("logging_as_it_was")
def test_what_is_heard(capsys: pytest.CaptureFixture[str], level: str, heard: list[str]) -> None:
    """The CLI's `--log-level` decides what is heard of the plugin; libraries are heard from WARNING on."""
    logs.configure(level, "json")
    for speaker in ("cloudquery_s3.writer", "botocore.auth"):
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(speaker).log(number, speaker)
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [one["level"] for one in lines if one["message"] == "cloudquery_s3.writer"] == heard
    assert [one["level"] for one in lines if one["message"] == "botocore.auth"] == ["warn", "error"]


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.usefixtures("logging_as_it_was")
def test_time(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """A line has its time by RFC 3339, in UTC."""
    logs.configure("info", log_format)
    logging.getLogger("cloudquery_s3.x").info("said")
    said = capsys.readouterr().out
    told = json.loads(said)["time"] if log_format == "json" else said.partition(" ")[0]
    assert told.endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(told)) < timedelta(hours=1)


@pytest.mark.usefixtures("logging_as_it_was")
def test_the_cli_adds_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A line whose reader adds the time has none: the CLI would write it twice."""
    logs.configure("info", "json", reader_adds_time=True)
    logging.getLogger("cloudquery_s3.x").info("said")
    assert "time" not in json.loads(capsys.readouterr().out)


@given(st.text(max_size=6000), st.text(min_size=1, max_size=6000), st.text(min_size=1, max_size=300))
def test_a_line_keeps_what_joins_it(message: str, sync_id: str, table: str) -> None:
    """However long a line would be, it names its sync and its client, and is short enough for the CLI."""
    with scope.within(scope.Scope(sync_id=sync_id, peer="127.0.0.1:5", table=table)):
        record = logging.LogRecord("cloudquery_s3.x", logging.INFO, "file", 1, "%s", (message,), None)
        record.altered = {"column": "x" * 5000}
        assert logs._in_scope(record)
    text = logs.JsonLine().format(record)
    found = json.loads(text)
    assert len(text.encode()) < LONGEST_LINE_BYTES
    assert (found["sync_id"], found["peer"]) == (sync_id[:100], "127.0.0.1:5")


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_field_of_the_call_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """A table that a call names is not replaced by that of its scope."""
    logs.configure("info", "json")
    with scope.within(scope.Scope(table="scope")):
        logging.getLogger("cloudquery_s3.x").info("named", extra={"table": "call"})
        logging.getLogger("cloudquery_s3.x").info("not named")
    assert [json.loads(one)["table"] for one in capsys.readouterr().out.splitlines()] == ["call", "scope"]


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_tables_line_has_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """In a Write, each line about a table has the sources seen in it, whoever logs; no other line has any."""
    logs.configure("info", "json")
    log = logging.getLogger("cloudquery_s3.x")
    seen = scope.SeenSources()
    seen.add("t", frozenset({"b", "a"}))
    log.info("outside", extra={"table": "t"})
    with scope.within(scope.Scope(sources=seen)):
        log.info("the Write")
        log.error("the table", extra={"table": "t"})
        log.error("another", extra={"table": "u"})
        with scope.within(scope.Scope(sources=seen, table="t")):
            log.info("an object")
    told = {one["message"]: one.get("sources") for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert told == {"outside": None, "the Write": None, "the table": ["a", "b"], "another": [], "an object": ["a", "b"]}


@pytest.mark.usefixtures("logging_as_it_was")
def test_telemetry_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """What OpenTelemetry cannot deliver is a warning without a trace, and says an error's kind, not its text."""
    logs.configure("info", "json")
    error = ValueError("https://user:password@collector")
    logging.getLogger("opentelemetry.exporter").error("not delivered: %s", error, exc_info=error)
    said = capsys.readouterr().out
    assert json.loads(said)["message"] == "not delivered: ValueError"
    assert (json.loads(said)["level"], "password" in said) == ("warn", False)
