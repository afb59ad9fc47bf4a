"""Wheel and sdist, as a stranger gets them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloudquery_s3

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]
NOWHERE = {"PROJECT_REPOSITORY_URL": "", "PROJECT_CONTACT_EMAIL": ""}
SOMEWHERE = {
    "PROJECT_REPOSITORY_URL": "https://example.com/owner/name/",
    "PROJECT_CONTACT_EMAIL": "someone@example.com",
}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a wheel and an sdist, freshly built."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder, **NOWHERE)
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, of a build that is told where the repository is, and whom to write to."""
    folder = tmp_path_factory.mktemp("published")
    build(ROOT, folder, **SOMEWHERE)
    return folder


def test_the_wheel_is_pure(dist: Path) -> None:
    """The wheel fits every platform, and holds the package with its types and nothing else."""
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"cloudquery_destination_s3-{cloudquery_s3.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert tops == {"cloudquery_s3", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
        assert "cloudquery_s3/py.typed" in archive.namelist()


def test_the_sdist_is_whole(dist: Path) -> None:
    """The sdist has what it takes to test and document, and nothing that was made here."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "mkdocs.yml", "docs/spec.md", "Makefile"}
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".tools", "site/"))]
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--", ":!.ci", ":!.gitignore"]
        kept = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        assert names >= set(kept)


def test_dependencies_are_bounded(dist: Path) -> None:
    """Every dependency of the wheel has a lowest version; no more than twenty come without an extra."""
    required = metadata(dist).get_all("Requires-Dist", [])
    assert 0 < len([line for line in required if "extra ==" not in line]) <= 20
    assert all(">=" in line for line in required)


def test_addresses_come_from_the_build(dist: Path, published: Path) -> None:
    """URLs, and the authors' address, are what the build was told; without them there are none, and no other change."""
    told, plain = metadata(published), metadata(dist)
    urls = dict(url.split(", ") for url in told.get_all("Project-URL", []))
    assert urls["Homepage"] == "https://example.com/owner/name"
    assert urls["Changelog"] == f"https://example.com/owner/name/blob/v{cloudquery_s3.__version__}/CHANGELOG.md"
    assert all(url.startswith(urls["Homepage"]) for url in urls.values())
    assert told["Author-email"] == f"{plain['Author']} <someone@example.com>"
    assert set(plain.keys()) - set(told.keys()) == {"Author"}
    assert set(told.keys()) - set(plain.keys()) == {"Project-URL", "Author-email"}


def test_links_of_the_description(dist: Path, published: Path) -> None:
    """The description is README.md; of a build that was told the repository, each link leads to a file there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata(dist).get_payload() == readme
    description = metadata(published).get_payload()
    at = f"https://example.com/owner/name/blob/v{cloudquery_s3.__version__}/"
    links = re.findall(r"\]\((\S+?)\)", description)
    assert not [link for link in links if not link.startswith("https://")]
    within = [link.removeprefix(at).partition("#")[0] for link in links if link.startswith(at)]
    assert len(within) > 20
    assert [name for name in within if not (ROOT / name).is_file()] == []
    assert description.replace(at, "") == readme


@pytest.mark.parametrize(
    "environment", [NOWHERE, {**SOMEWHERE, "PROJECT_REPOSITORY_URL": "https://example.com/a/fork"}]
)
def test_an_sdist_keeps_its_addresses(published: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """A wheel that is built from an sdist says what the sdist says, wherever it is built."""
    (sdist,) = published.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    build(folder, tmp_path / "dist", "-t", "wheel", **environment)
    assert metadata(tmp_path / "dist").as_string() == metadata(published).as_string()


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    """A build that is told a repository without a scheme or a path fails, and names the variable."""
    for address in ("example.com/owner/name", "https://example.com", "http://example.com/owner/name"):
        with pytest.raises(AssertionError, match="PROJECT_REPOSITORY_URL"):
            build(ROOT, tmp_path, "-t", "wheel", PROJECT_REPOSITORY_URL=address)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_installs_in_a_clean_environment(kind: str, dist: Path, tmp_path: Path) -> None:
    """Wheel and sdist install with the locked dependencies alone, and every command starts there."""
    (package,) = dist.glob(kind)
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    program = tmp_path / "venv" / "bin"
    pip = [str(program / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock"))
    run(*pip, "--no-deps", str(package))
    run(str(program / "python"), "-m", "pip", "check")
    said = run(str(program / "cloudquery-s3"), "version")
    assert said.startswith(f"cloudquery-s3 {cloudquery_s3.__version__}\n")
    spec = tmp_path / "spec.yml"
    spec.write_text("{bucket: b, region: us-east-1, path: 'x/{{TABLE}}/{{UUID}}', format: parquet}", encoding="utf-8")
    assert "0 problems" in run(str(program / "cloudquery-s3"), "check", str(spec))
    importing = "import cloudquery_s3.server.serve, cloudquery_s3.server.destination"
    run(str(program / "python"), "-c", importing)


@pytest.mark.slow
def test_what_the_image_installs(dist: Path, tmp_path: Path) -> None:
    """The image's lock is wheels only; with it, Iceberg by REST and Glue and OpenTelemetry are at hand."""
    (wheel,) = dist.glob("*.whl")
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python = str(tmp_path / "venv" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements-image.lock"))
    run(*pip, "--no-deps", str(wheel))
    run(python, "-m", "pip", "check")
    run(python, "-c", "import cloudquery_s3.catalogs.iceberg, pyiceberg.catalog.glue, pyiceberg.catalog.rest, boto3")
    listening = "--address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"
    sending = "--otel-endpoint", "127.0.0.1:9", "--otel-endpoint-insecure"
    with subprocess.Popen(
        [python, "-m", "cloudquery_s3.cli", "serve", *listening, *sending], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        try:
            assert [serving.stdout.readline().split(maxsplit=2)[2].split(" address=")[0] for _ in range(2)] == [
                "serving metrics",
                "serving",
            ]
        finally:
            serving.terminate()


def build(source: Path, folder: Path, *options: str, **environment: str) -> None:
    """Build a wheel and an sdist into a folder."""
    run(sys.executable, "-m", "hatchling", "build", "-d", str(folder), *options, folder=source, **environment)


def metadata(folder: Path) -> Message:
    """What the wheel in a folder says of itself."""
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return message_from_string(archive.read(name).decode())


def run(*command: str, folder: Path | None = None, **environment: str) -> str:
    """Run a program that must succeed, and return what it says."""
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
