"""A Unix socket's file: bound where nobody listens, and removed where it is still ours."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import sys
from pathlib import Path
from typing import Final

_CREDENTIALS: Final = struct.Struct("3i")
_DARWIN_PEER_PID: Final = (0, 2)  # SOL_LOCAL, LOCAL_PEERPID


class UnixSocket:
    """The file of a socket that a server listens at."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._bound: tuple[int, int] | None = None

    def bind(self) -> socket.socket:
        """Return a socket that is bound to the path. A socket file that nobody listens at is replaced.

        Raises:
            OSError: it cannot be bound; EADDRINUSE, where somebody listens there, or where it is no socket.
        """
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self._is_left_over():
                self._path.unlink(missing_ok=True)
            opened.bind(os.fspath(self._path))
            self._bound = self._file()
        except BaseException:
            opened.close()
            raise
        return opened

    def remove(self) -> None:
        """Remove the file, unless it is gone, or another process has put its own there."""
        if self._bound is not None and self._file() == self._bound:
            self._path.unlink(missing_ok=True)

    def _is_left_over(self) -> bool:
        """Return whether there is a socket whose process is gone.

        Raises:
            OSError: there is one whose process lives.
        """
        try:
            if not stat.S_ISSOCK(self._path.stat().st_mode):
                return False
        except FileNotFoundError:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(os.fspath(self._path))
            except ConnectionRefusedError:
                return True
            except (FileNotFoundError, TimeoutError, BlockingIOError):
                return False  # gone meanwhile, or busy: then binding fails
        raise OSError(errno.EADDRINUSE, "another process listens there")

    def _file(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def peer_process(connected: socket.socket) -> int | None:
    """Return the number of the process at the other end; None where the system does not tell."""
    if sys.platform == "linux":
        told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(told)[0])
    if sys.platform == "darwin":
        return int(connected.getsockopt(*_DARWIN_PEER_PID))
    return None
