"""Log lines as the CloudQuery CLI reads them.

The CLI takes each line of a plugin's stdout as one JSON object with `level` and `message`, adds `time` itself, knows
the levels trace, debug, info, warn and error, and cuts lines above 4,096 bytes, level and all.

Each line of a sync has its `sync_id`, and the `peer` whose it is; each line about a table of a Write has the `sources`
of its rows: they come from the scope, not from who logs.

The standard library's logging does it: structlog costs a third of the start-up that the CLI waits for (0.13 of 0.29 s).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

from cloudquery_s3 import scope

_LEVELS: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_CLI_NAMES: Final = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "ERROR": "error", "CRITICAL": "error"}
_MAX_LINE_BYTES: Final = 4000
_JOINING: Final = ("sync_id", "peer")
_MOST_JOINING_CHARACTERS: Final = 100
_OWN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str, log_format: str, *, reader_adds_time: bool = False) -> None:
    """Send log lines of at least `level` to stdout, as JSON lines (`json`) or for people (`text`).

    Fields come from a call's `extra` and from its scope; `time` unless the reader of JSON lines adds it. Libraries are
    heard from WARNING on: what they say below that may hold more than a log should.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(TextLine() if log_format == "text" else JsonLine(timed=not reader_adds_time))
    handler.addFilter(_of_this_plugin_or_grave)
    handler.addFilter(_in_scope)
    handler.addFilter(_telemetry_is_no_error)
    logging.raiseExceptions = False  # a CLI that died reads no more lines: that is no second error
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("cloudquery_s3").setLevel(_LEVELS.get(level, logging.INFO))


def _of_this_plugin_or_grave(record: logging.LogRecord) -> bool:
    # a library's own level would let it pass: a logger's level is not asked for what its children hand up
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] == "cloudquery_s3"


def _in_scope(record: logging.LogRecord) -> bool:
    """Add for which sync the code works that logs; a field of the call's own is left as it is."""
    now = scope.current()
    for name in (*_JOINING, "table"):
        value = getattr(now, name)
        if value and not hasattr(record, name):
            setattr(record, name, value[:_MOST_JOINING_CHARACTERS] if name in _JOINING else value)
    table = getattr(record, "table", "")
    if table and now.sources is not None:
        record.sources = now.sources.of(table)
    return True


def _telemetry_is_no_error(record: logging.LogRecord) -> bool:
    """Let what OpenTelemetry cannot deliver be a warning, since no row is lost; of errors it shows the kind alone."""
    if record.name.partition(".")[0] == "opentelemetry":
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        if isinstance(record.args, tuple):
            record.args = tuple(type(one).__name__ if isinstance(one, Exception) else one for one in record.args)
    return True


class JsonLine(logging.Formatter):
    """One JSON object a line, at most 4,000 bytes: a longer line loses its longest fields, then its message's end.

    What joins it with others stays: `sync_id`, `peer`, and `time` where there is one.
    """

    def __init__(self, *, timed: bool = True) -> None:
        """Make lines, with their `time` if they are `timed`."""
        super().__init__()
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        head = {"level": _CLI_NAMES.get(record.levelname, "info"), "message": record.getMessage()}
        if self._timed:
            head["time"] = _rfc3339(record)
        fields = {**_fields(record), **self._trace(record)}
        head |= {name: fields.pop(name) for name in _JOINING if name in fields}
        line = json.dumps({**head, **fields}, default=str)
        while len(line) > _MAX_LINE_BYTES and fields:
            del fields[max(fields, key=lambda name: len(json.dumps(fields[name], default=str)))]
            line = json.dumps({**head, **fields}, default=str)
        while len(line) > _MAX_LINE_BYTES:
            head["message"] = head["message"][: len(head["message"]) * 3 // 4] + "…"
            line = json.dumps(head)
        return line

    def _trace(self, record: logging.LogRecord) -> dict[str, str]:
        return {"trace": self.formatException(record.exc_info)} if record.exc_info else {}


class TextLine(logging.Formatter):
    """A line for people: time, level, message, fields; a trace below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_rfc3339(record)} {record.levelname:7} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}


def _rfc3339(record: logging.LogRecord) -> str:
    """Return when something was logged: UTC, milliseconds."""
    told = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")
