"""Codecs around a text format."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pytest

from cloudquery_s3.formats.codecs import compressed, opened
from cloudquery_s3.formats.csv import Csv
from cloudquery_s3.formats.encoder import Alterations
from cloudquery_s3.formats.json_lines import JsonLines

ROWS = pa.record_batch({"n": pa.array(range(200_000)), "s": pa.array(["some text, twice"] * 200_000)})
LEVELS = [("gzip", level) for level in range(1, 10)] + [("zstd", level) for level in (1, 3, 9)]


@pytest.mark.parametrize(("codec", "level"), LEVELS)
def test_every_level_holds_the_same_bytes(codec: str, level: int) -> None:
    """Whatever codec and level, the object unpacks to what the inner format writes, by a reader that streams."""
    plain = JsonLines().encoder(ROWS.schema, Alterations())
    packed = compressed(JsonLines(), codec, level).encoder(ROWS.schema, Alterations())
    expected = b"".join([*plain.write([ROWS]), *plain.finish().chunks])
    chunks = [*packed.write([ROWS.slice(0, 3)]), *packed.write([ROWS.slice(3)]), *packed.finish().chunks]
    stored = b"".join(chunks)
    assert len(stored) < len(expected) / 3
    assert opened(io.BytesIO(stored), codec).read() == expected
    assert pa.CompressedInputStream(pa.BufferReader(stored), codec).read() == expected


def test_the_header_of_gzip_is_the_references() -> None:
    """The member has no name, no time and an unknown operating system."""
    encoder = compressed(Csv(), "gzip").encoder(ROWS.schema, Alterations())
    data = b"".join([*encoder.write([ROWS.slice(0, 1)]), *encoder.finish().chunks])
    assert data[:10] == bytes.fromhex("1f8b08000000000000ff")
    assert gzip.decompress(data) == b'n,s\n0,"some text, twice"\n'


def test_zstd_is_one_frame() -> None:
    """An object is one Zstandard frame, which readers that stop after the first one need."""
    encoder = compressed(JsonLines(), "zstd").encoder(ROWS.schema, Alterations())
    data = b"".join([*encoder.write([ROWS]), *encoder.write([ROWS]), *encoder.finish().chunks])
    assert data.count(bytes.fromhex("28b52ffd")) == 1


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_an_object_without_bytes_is_a_whole_stream(codec: str) -> None:
    """Nothing at all, compressed, is still a file of the codec."""
    encoder = compressed(JsonLines(), codec).encoder(ROWS.schema, Alterations())
    stored = b"".join([*encoder.write([]), *encoder.finish().chunks])
    assert stored
    assert opened(io.BytesIO(stored), codec).read() == b""


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_it_takes_its_schema_rule_from_the_inner_format(codec: str) -> None:
    """Compressing changes the content type, but not whether an object may hold rows of several schemas."""
    assert compressed(JsonLines(), codec).fixed_schema is False
    assert compressed(Csv(), codec).fixed_schema is True
    assert compressed(Csv(), codec).content_type == f"application/{codec}"


def test_no_codec_is_the_format_itself() -> None:
    """A format that is not to be compressed stays what it is, and so does a file."""
    plain, file = Csv(), io.BytesIO(b"x")
    assert compressed(plain, "") is plain
    assert opened(file, "") is file
