"""A Ray cluster of several nodes on loopback, until standard input ends: run by Ray's own environment.

`python ray_nodes.py NODES` prints the address once every node is up.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

MEMORY = {"object_store_memory": 80 * 1024**2, "memory": 2 * 1024**3}
"""Bytes: the least that Ray takes for its own store, and more than a task of the recipe asks for."""


def main() -> None:
    """Serve; the head has no processors, so that it runs no task."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **MEMORY})
    for _ in range(int(sys.argv[1])):
        cluster.add_node(num_cpus=1, **MEMORY)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)  # noqa: T201 -- how it tells its address
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
