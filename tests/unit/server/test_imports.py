"""What a sync does not use is not loaded for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from s3_servers import isolated_environment

PROGRAM = """
import sys
from cloudquery_s3.server import serve
from cloudquery_s3.server.destination import Destination
from cloudquery_s3.spec import Spec
Destination.connect(Spec.parse(sys.argv[1].encode(), invocation_id="x"), sync_id="x")
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""
NEVER = [
    "pydantic",
    "typer",
    "rich",
    "yaml",
    "grpc",
    "cloudquery",
    "pyiceberg",
    "boto3",
    "opentelemetry",
    "dateutil.rrule",
]
CLIENTS = ["botocore.session", "botocore.client", "botocore.handlers", "botocore.docs"]


@pytest.mark.parametrize("form", ["parquet", "json", "csv"])
def test_a_sync_with_keys_in_the_environment_loads_what_it_uses(form: str) -> None:
    """After Init neither what people's commands need is loaded, nor what makes clients of AWS, nor any extra."""
    spec = {
        "bucket": "b",
        "region": "r",
        "path": "{{TABLE}}/{{UUID}}",
        "format": form,
        "test_write": False,
        "endpoint": "http://127.0.0.1:1",
        "use_path_style": True,
    }
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(spec), *NEVER, *CLIENTS],
        env=os.environ | isolated_environment() | keys,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == []
