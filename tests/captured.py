"""What the plugin logs, for tests that look at it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"taskName"}


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """Collect every record of this package as `log_level`, `event` and the fields that came with it."""
    lines: list[dict[str, Any]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fields = {name: value for name, value in vars(record).items() if name not in _PLAIN}
            lines.append({"log_level": record.levelname.lower(), "event": record.getMessage(), **fields})

    logger, collector = logging.getLogger("cloudquery_s3"), Collector()
    level = logger.level
    logger.addHandler(collector)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
