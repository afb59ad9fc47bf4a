"""A client that writes and then waits to be killed: `python client_program.py ADDRESS SPEC BATCHES`.

BATCHES names a file of Arrow IPC streams, one after the other. A program, so that it can vanish without a word.
"""

from __future__ import annotations

import pickle
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import plugin_client

if __name__ == "__main__":
    address, spec, payloads = sys.argv[1:]
    plugin = plugin_client.Client(address)
    plugin.init(spec.encode())
    write = plugin.open_write()
    for payload in pickle.loads(Path(payloads).read_bytes()):  # noqa: S301 -- the test's own file
        write.send(plugin_client.insert(payload))
    signal.pause()
