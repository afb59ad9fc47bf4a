"""The smallest Ceph cluster that RGW runs on: one monitor and one OSD, on loopback, with its objects in memory."""

from __future__ import annotations

import json
import subprocess
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server_programs import START_TIMEOUT_S, find_program, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

CAPACITY_BYTES = 16 << 30
"""What the OSD says that it has; it takes what is stored."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster without a gateway."""

    configuration: Path

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return the command line of one of Ceph's programs for this cluster."""
        return [find_program(program, "make rgw"), "--conf", str(self.configuration), *arguments]

    def run(self, program: str, *arguments: str) -> None:
        """Run one of Ceph's programs to its end."""
        ended = subprocess.run(
            self.command(program, *arguments), capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{program} {arguments[0]} ended with {ended.returncode}: {ended.stderr}")

    def add_user(self, access_key: str, secret_key: str) -> None:
        """Create the user `test` of S3."""
        keys = ["--access-key", access_key, "--secret-key", secret_key]
        self.run("radosgw-admin", "user", "create", "--uid", "test", "--display-name", "test", *keys)

    def add_role(self, name: str) -> None:
        """Create a role that the user may assume, and that may do everything in S3."""
        trust = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/test"]}, "Action": ["sts:AssumeRole"]}
        rights = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
        role = ["--role-name", name]
        self.run("radosgw-admin", "role", "create", *role, "--path", "/", "--assume-role-policy-doc", _policy(trust))
        self.run("radosgw-admin", "role-policy", "put", *role, "--policy-name", "all", "--policy-doc", _policy(rights))

    def gateway(self, port: int) -> AbstractContextManager[None]:
        """Run RGW, which the configuration has listen on that port."""
        return running(self.command("radosgw", "-f", "--name", "client.rgw"), port)


@contextmanager
def ceph_cluster(options: Mapping[str, str]) -> Iterator[Cluster]:
    """Run a cluster with these options in its configuration, until the block ends."""
    for program in ("radosgw", "ceph-osd", "ceph-mon", "ceph"):
        find_program(program, "make rgw")
    monitor = f"v2:127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="ceph-") as folder:
        cluster = Cluster(Path(folder, "ceph.conf"))
        said = {**_settings(Path(folder), monitor), **options}
        cluster.configuration.write_text(
            "\n".join(["[global]", *(f"{name} = {value}" for name, value in said.items()), ""])
        )
        Path(folder, "mon").mkdir()
        Path(folder, "osd").mkdir()
        cluster.run("ceph-mon", "--mkfs", "--id", "a", "--public-addr", monitor)
        port = int(monitor.rpartition(":")[2])
        with running(cluster.command("ceph-mon", "-f", "--id", "a", "--public-addr", monitor), port):
            identity = str(uuid.uuid4())
            cluster.run("ceph", "osd", "new", identity)
            cluster.run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default")
            cluster.run("ceph-osd", "--mkfs", "--id", "0", "--osd-uuid", identity)
            with running(cluster.command("ceph-osd", "-f", "--id", "0")):
                yield cluster


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _settings(folder: Path, monitor: str) -> dict[str, str]:
    """Return what makes a cluster small, and keeps all that it writes in one folder."""
    return {
        "fsid": str(uuid.uuid4()),
        "mon_host": f"[{monitor}/0]",
        "public_addr": "127.0.0.1",
        "cluster_addr": "127.0.0.1",
        "auth_cluster_required": "none",
        "auth_service_required": "none",
        "auth_client_required": "none",
        "ms_mon_client_mode": "crc",  # RGW asks for secure connections, which need authentication
        "run_dir": str(folder),
        "crash_dir": str(folder),
        "log_file": f"{folder}/$name.log",
        "admin_socket": "",
        "pid_file": "",
        "mon_data": f"{folder}/mon",
        "mon_data_avail_crit": "0",  # it would stop where the disk is almost full
        "osd_data": f"{folder}/osd",
        "rgw_data": str(folder),
        "osd_objectstore": "memstore",
        "memstore_device_bytes": str(CAPACITY_BYTES),
        "osd_crush_chooseleaf_type": "0",
        "osd_pool_default_size": "1",
        "osd_pool_default_pg_num": "1",
        "mon_allow_pool_size_one": "true",
        "paxos_propose_interval": "0.01",
        "paxos_min_wait": "0.01",
    }
