"""docs/errors.md has every error that a sync can end with: messages are taken from the code, and looked for there."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cloudquery_s3 import errors
from cloudquery_s3.formats.encoder import UnwritableError
from cloudquery_s3.formats.parquet.columns import NullInRequiredColumnError
from cloudquery_s3.formats.reading.columns import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "cloudquery_s3"
OF_A_SYNC = ["formats", "ipc", "object_key.py", "server", "stores", "writer"]
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type)} | {
    kind.__name__ for kind in (NullInRequiredColumnError, UnreadableError, UnwritableError)
}
HOLE = "…"
FEWEST_WORDS = 3
ELSEWHERE = {
    "formats/__init__.py: needs a newer pyarrow than the one installed": "an error of the spec, which says what to do",
    "stores/bucket.py: the store's answer is no listing": "of commands that read manifests",
    "stores/memory.py: there is no object at this key": "a store of tests",
    "stores/endpoint.py: this kind of bucket is not supported: write one of one region": "likewise, of the spec",
    "stores/endpoint.py: …: correct `bucket`, `region` or `endpoint`": "an error of the spec, likewise",
}
"""Messages that no sync ends with once it has begun, and why the page does without them."""


class Message(NamedTuple):
    """A message of an error, and where it is raised; what is put into it is `…`."""

    where: str
    text: str


def messages() -> Iterator[Message]:
    """Every text that is given to an error of this plugin's, in what a sync runs."""
    for part in OF_A_SYNC:
        for file in [SOURCE / part] if part.endswith(".py") else sorted((SOURCE / part).rglob("*.py")):
            for call in ast.walk(ast.parse(file.read_text())):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in KINDS:
                    where = str(file.relative_to(SOURCE))
                    yield from (Message(where, text) for text in texts(call) if len(text.split()) >= FEWEST_WORDS)


def texts(call: ast.Call) -> Iterator[str]:
    """The texts among the arguments of a call."""
    for argument in call.args:
        branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
        for one in branches:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value
            elif isinstance(one, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in one.values)


def is_on(page: str, text: str) -> bool:
    """Whether a page has the beginning of what a message says between what is put into it."""
    pieces = [" ".join(piece.split())[:30].strip(" :;,") for piece in text.split(HOLE)]
    return any(piece in page for piece in pieces if len(piece.split()) >= FEWEST_WORDS)


@pytest.mark.parametrize(
    "message", sorted(set(messages())), ids=lambda message: f"{message.where}: {message.text}"[:80]
)
def test_every_error_of_a_sync_is_documented(message: Message) -> None:
    """The page has the words of each error that a sync can end with, in which a reader searches for them."""
    page = " ".join((ROOT / "docs" / "errors.md").read_text().replace("`", "").split())
    known = f"{message.where}: {message.text}" in ELSEWHERE
    assert is_on(page, message.text.replace("`", "")) != known
