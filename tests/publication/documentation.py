"""The code of docs/publication.md; its SQL is run on a copy of a bucket: DuckDB reads folders as it reads S3."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from s3_servers import Bucket

PAGE = Path(__file__).parents[2] / "docs" / "publication.md"


def blocks(language: str, reader: str | None = None) -> list[str]:
    """The page's code blocks in a language; those of a reader's section alone, if one is named."""
    text = PAGE.read_text(encoding="utf-8")
    if reader:
        text = re.split("^##+ ", text.partition(f"\n### {reader}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(sql: str, bucket: Bucket, folder: Path) -> list[list[Any]]:
    """Run a block on what the bucket has now, and return what each query gives; secrets are left out."""
    for key, data in bucket.objects().items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        is_document = key.endswith(".json")
        file.write_bytes(data.replace(f"s3://{bucket.name}".encode(), str(folder).encode()) if is_document else data)
    connection = duckdb.connect()
    statements = [one for one in re.sub(r"--.*", "", sql).split(";") if one.strip() and "SECRET" not in one]
    results = [connection.execute(one.replace("s3://my-bucket", str(folder))).fetchall() for one in statements]
    return [result for one, result in zip(statements, results, strict=True) if one.strip().startswith("SELECT")]
