"""What a plugin process says on its stdout, read as it comes: a pipe that nobody reads would stop it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from waiting import eventually

if TYPE_CHECKING:
    import subprocess


class PluginLog:
    """The log lines of a plugin process, from now on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: list[dict[str, Any]] = []
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def of(self, message: str, **fields: Any) -> list[dict[str, Any]]:
        """All lines with this message and these fields."""
        return [line for line in tuple(self._lines) if {**line, "message": message, **fields} == line]

    def await_lines(self, message: str, count: int) -> list[dict[str, Any]]:
        """The lines with this message, once there are so many."""
        assert eventually(lambda: len(self.of(message)) >= count), f"not {count} times: {message}"
        return self.of(message)

    def forget(self) -> None:
        """Drop all lines."""
        self._lines.clear()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._lines.append(json.loads(line))
        except ValueError:  # the stream was closed: the test has ended
            return
