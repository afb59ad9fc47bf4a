"""`package`: what `cloudquery plugin publish` will find."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import cloudquery_s3
import program
from cloudquery_s3.spec.schema import json_schema

if TYPE_CHECKING:
    from pathlib import Path


def prepared(folder: Path, version: str = f"v{cloudquery_s3.__version__}") -> None:
    """Make a docs folder and images, as a release has them."""
    (folder / "docs").mkdir()
    (folder / "docs" / "index.md").write_text("# Start", encoding="utf-8")
    (folder / "docs" / "spec.md").write_text("# Spec", encoding="utf-8")
    (folder / "dist").mkdir()
    for architecture in ("amd64", "arm64"):
        (folder / "dist" / f"plugin-s3-{version}-linux-{architecture}.tar").write_bytes(architecture.encode())


def test_layout(tmp_path: Path) -> None:
    """dist/ has package.json, the schema, and the docs with index.md as overview.md."""
    prepared(tmp_path)
    said = program.run("package", "-m", "New", "--team", "ours", folder=tmp_path)
    assert said.status == 0, said.errors
    dist = tmp_path / "dist"
    assert json.loads((dist / "spec_json_schema.json").read_text()) == json.loads(json_schema())
    assert sorted(page.name for page in (dist / "docs").iterdir()) == ["overview.md", "spec.md"]
    version = f"v{cloudquery_s3.__version__}"
    described = json.loads((dist / "package.json").read_text())
    targets = described.pop("supported_targets")
    assert described == {
        "schema_version": 1,
        "team": "ours",
        "kind": "destination",
        "name": "s3",
        "version": version,
        "message": "New",
        "protocols": [3],
        "package_type": "docker",
    }
    assert targets[0] == {
        "os": "linux",
        "arch": "amd64",
        "path": f"plugin-s3-{version}-linux-amd64.tar",
        "checksum": hashlib.sha256(b"amd64").hexdigest(),
        "docker_image_tag": f"docker.cloudquery.io/ours/destination-s3:{version}-linux-amd64",
    }
    assert [target["arch"] for target in targets] == ["amd64", "arm64"]


def test_options(tmp_path: Path) -> None:
    """Version, folders and a message out of a file are as the command says."""
    prepared(tmp_path, "v9.9.9-rc.1")
    (tmp_path / "docs").rename(tmp_path / "pages")
    (tmp_path / "dist").rename(tmp_path / "out")
    (tmp_path / "news.md").write_text("From a file", encoding="utf-8")
    options = ["-m", "@news.md", "-D", "out", "--docs-dir", "pages", "--team", "ours"]
    said = program.run("package", *options, "v9.9.9-rc.1", folder=tmp_path)
    assert said.status == 0, said.errors
    described = json.loads((tmp_path / "out" / "package.json").read_text())
    assert (described["version"], described["message"]) == ("v9.9.9-rc.1", "From a file")


def test_no_image(tmp_path: Path) -> None:
    """Without an image there is nothing to publish: the command says how the file is called, and writes nothing."""
    prepared(tmp_path, "v0.0.1")
    said = program.run("package", "-m", "x", "--team", "ours", "v0.0.2", folder=tmp_path)
    assert said.status == 1
    assert "dist/plugin-s3-v0.0.2-OS-ARCH.tar" in said.errors
    assert not (tmp_path / "dist" / "package.json").exists()


def test_wrong_version(tmp_path: Path) -> None:
    """A version without its v, and a message from a file that is not there, are wrong usage."""
    prepared(tmp_path)
    assert program.run("package", "-m", "x", "--team", "ours", "1.2.3", folder=tmp_path).status == 2
    assert program.run("package", "-m", "@none", "--team", "ours", folder=tmp_path).status == 2
