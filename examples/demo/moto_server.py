"""A process that answers as AWS, S3 among it, until its standard input ends.

It prints its address once it is up. Its input ends with the process that started it, however that one dies, so that it
cannot be left behind.
"""

from __future__ import annotations

import logging
import os
import sys

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # moto reads it as it is imported

from moto.server import ThreadedMotoServer


def main() -> None:
    """Serve on a free port of the loopback interface."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line a request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()  # its threads are daemons: they end with this one


if __name__ == "__main__":
    main()
