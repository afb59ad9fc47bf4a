"""Spark within a test: a Java process of one core, on loopback, that writes nothing into the working directory."""

from __future__ import annotations

import importlib.util
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def spark_session(folder: Path, **more: str) -> Iterator[Any]:
    """Start Spark with a warehouse below a folder, and stop it; the test is skipped where it cannot run, saying so."""
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: run `make readers`")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    from pyspark.sql import SparkSession  # noqa: PLC0415 -- starts Java

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.driver.extraJavaOptions": f"-Dderby.stream.error.file={folder / 'derby.log'}",
        **more,
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    with mock.patch.dict(os.environ, {"LC_ALL": "C.UTF-8"}):  # Java's own names of files
        spark = builder.getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()
