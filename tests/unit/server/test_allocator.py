"""What the process does with memory that is freed: on Linux with glibc."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SLOW_STORE = """
import asyncio
from pathlib import Path

from cloudquery_s3.server import allocator

allocator.keep_large_blocks()

import numpy as np

from cloudquery_s3.formats import make_format
from cloudquery_s3.server.destination import write_context
from cloudquery_s3.spec import Spec
from cloudquery_s3.stores.memory import MemoryStore

MIB = 1 << 20


def resident_mib():
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) // 1024


async def main():
    spec = Spec.parse(b'{"bucket": "b", "region": "r", "path": "{{UUID}}", "format": "json"}', invocation_id="sync")
    budget = write_context(spec, MemoryStore(), file_format=make_format(spec), sync_id="sync").budget
    blocks = [np.ones(MIB, np.uint8) for _ in range(200)]
    above = np.ones(MIB, np.uint8)
    del blocks
    freed = resident_mib()
    budget.reserve(lambda: False).set(held_bytes=0, encoding_bytes=0, uploading_bytes=budget.limit_bytes)
    await asyncio.get_running_loop().shutdown_default_executor()
    print(freed, resident_mib(), len(above))


asyncio.run(main())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps memory in this way")
def test_freed_memory_is_given_back_while_a_store_is_slow() -> None:
    """Of memory that is freed beneath some that is not, the system gets most back once much waits for the store."""
    ended = subprocess.run([sys.executable, "-c", SLOW_STORE], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    before_mib, after_mib, _ = map(int, ended.stdout.split())
    assert before_mib - after_mib > 150
