"""`cloudquery-s3 package`: the folder that `cloudquery plugin publish` reads. Source: docs/commands.md, `package`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cloudquery_s3 import __version__
from cloudquery_s3.commands.report import counted
from cloudquery_s3.spec.schema import json_schema

_NAME: Final = "s3"
_KIND: Final = "destination"
_PROTOCOLS: Final = [3]
_IMAGES: Final = "docker.cloudquery.io"
_VERSION: Final = re.compile(r"v\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")
_START_PAGE: Final = "overview.md"
"""What the registry shows first; this documentation calls it index.md."""

_Message = Annotated[
    str,
    typer.Option(
        "-m", "--message", metavar="TEXT", help="What is new in this version, as Markdown; @FILE reads it from a file."
    ),
]
_Team = Annotated[str, typer.Option(metavar="NAME", help="The team that publishes, as CloudQuery's registry knows it.")]
_Version = Annotated[str, typer.Argument(metavar="VERSION", help="Such as v1.2.3.", show_default=True)]
_Dist = Annotated[
    Path,
    typer.Option(
        "-D", "--dist-dir", metavar="FOLDER", file_okay=False, help="Where the images are, and the rest is laid out."
    ),
]
_Docs = Annotated[
    Path, typer.Option("--docs-dir", metavar="FOLDER", file_okay=False, exists=True, help="Markdown files to publish.")
]


def package(
    message: _Message,
    team: _Team,
    version: _Version = f"v{__version__}",
    *,
    dist_dir: _Dist = Path("dist"),
    docs_dir: _Docs = Path("docs"),
) -> None:
    """Lay out the folder that `cloudquery plugin publish` reads: package.json, docs and spec_json_schema.json.

    The images must be there already, as plugin-s3-VERSION-OS-ARCH.tar: the documentation, "Commands", has the line that
    builds one.

    Exit codes: 0 all is laid out, 1 something is missing, 2 the command was called wrongly.
    """
    if not _VERSION.fullmatch(version):
        raise typer.BadParameter("must be a version such as v1.2.3", param_hint="VERSION")
    targets = [_target(image, team, version) for image in _images(dist_dir, version)]
    pages = sorted(docs_dir.glob("*.md"))
    if not targets:
        wanted = f"{dist_dir}/plugin-{_NAME}-{version}-OS-ARCH.tar"
        _fail(f"there is no image {wanted}: build one, see docs/commands.md, `package`")
    if not pages:
        _fail(f"no Markdown file in {docs_dir}: name the folder by --docs-dir")
    docs = dist_dir / "docs"
    docs.mkdir(parents=True, exist_ok=True)
    for page in pages:
        shutil.copyfile(page, docs / (_START_PAGE if page.name == "index.md" else page.name))
    (dist_dir / "spec_json_schema.json").write_text(json_schema(), encoding="utf-8")
    described = _description(team, version, _text(message), targets)
    (dist_dir / "package.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    typer.echo(
        f"{dist_dir}: {counted(len(targets), 'image')}, {counted(len(pages), 'page')}; now run: "
        f"cloudquery plugin publish -D {dist_dir}"
    )


def _images(dist_dir: Path, version: str) -> list[Path]:
    return sorted(dist_dir.glob(f"plugin-{_NAME}-{version}-*-*.tar"))


def _target(image: Path, team: str, version: str) -> dict[str, Any]:
    system, _, architecture = image.stem.removeprefix(f"plugin-{_NAME}-{version}-").partition("-")
    with image.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "os": system,
        "arch": architecture,
        "path": image.name,
        "checksum": checksum,
        "docker_image_tag": f"{_IMAGES}/{team}/{_KIND}-{_NAME}:{version}-{system}-{architecture}",
    }


def _description(team: str, version: str, message: str, targets: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "team": team,
        "kind": _KIND,
        "name": _NAME,
        "version": version,
        "message": message,
        "protocols": _PROTOCOLS,
        "package_type": "docker",
        "supported_targets": targets,
    }


def _text(message: str) -> str:
    if not message.startswith("@"):
        return message
    file = Path(message[1:])
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}", param_hint="--message")
    return file.read_text(encoding="utf-8")


def _fail(what: str) -> None:
    typer.echo(f"Error: {what}", err=True)
    raise typer.Exit(1)
