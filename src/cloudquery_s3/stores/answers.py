"""What a store answers: what counts as a success, and what its documents say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from cloudquery_s3.stores.failures import NOT_S3, PROXY, RequestFailedError, answer_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOCUMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "CreateMultipartUpload": ("", "UploadId"),
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult", "ETag"),
}
"""What makes an answer's document a success, beside status 200: S3's name for it, or what it holds under any name."""

_STORES: Final = frozenset({"PutObject", "UploadPart"})
"""Operations whose answers have an entity tag in a header."""

_WHOLE_TAG: Final = re.compile(r'"[^"]*"')
_PROXY_AUTHENTICATION: Final = 407
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: headers (looked up in any case) and body."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """The entity tag, without quotes; empty where there is none."""
        return self.headers.get("ETag", "").strip('"')


def check_answer(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return if an answer is what S3 answers when it has done what was asked.

    Raises:
        RequestFailedError: it is not, be it inside a status 200.
    """
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise document_failure(operation, status, headers, body)
    if operation in {"GetObject", "ListObjectsV2"}:
        return  # the object's own body; a listing is long, and parsed once, by whoever asked for it
    document = xml_fields(body)
    if document.get("") == "Error":
        raise document_failure(operation, status, headers, body)
    root, wanted = _DOCUMENTS.get(operation, ("", ""))
    is_document = not wanted or bool(document.get(wanted)) or document.get("") == root
    if operation in _STORES:
        is_document = bool(headers.get("ETag")) and not _is_page(body, document)
    if not is_document:
        raise RequestFailedError("the answer is not what S3 answers", status=status, code=NOT_S3, transient=True)
    is_cut = headers.get("ETag", "").startswith('"') and not _WHOLE_TAG.fullmatch(headers["ETag"])
    if is_cut or (operation == "ListMultipartUploads" and not document):
        raise RequestFailedError("the answer is not whole", status=status, transient=True)


def _is_page(body: bytes, document: Mapping[str, str]) -> bool:
    """Return whether a body, and what is in it as XML, is that of a web server: some give every page an entity tag."""
    return bool(body.strip()) and document.get("", "html").lower() == "html"


def document_failure(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> RequestFailedError:
    """Return what an S3 answer means that is not a success; `body` is S3's XML error document, or anything."""
    if status == _PROXY_AUTHENTICATION:
        return RequestFailedError("the proxy wants a user and a password", status=status, code=PROXY, sent=False)
    document = xml_fields(body)
    missing = "NoSuchKey" if status == _NOT_FOUND and operation == "HeadObject" else ""  # HEAD has no document
    return answer_failure(
        status,
        code=document.get("Code") or missing,
        message=document.get("Message", ""),
        region=headers.get("x-amz-bucket-region") or document.get("Region", ""),
        date=headers.get("Date", ""),
    )


def xml_fields(body: bytes) -> dict[str, str]:
    """Return an XML document's leaf elements by name, and its root's name under ""; {} if it is no whole document.

    Where a name repeats, the first counts. Names are without their namespace.
    """
    root = _xml_root(body)
    return {} if root is None else {"": _local(root.tag), **_leaves(root)}


def xml_children(body: bytes, name: str) -> list[dict[str, str]]:
    """Return, of each element of this name, its leaf elements by name."""
    root = _xml_root(body)
    return [] if root is None else [_leaves(element) for element in root.iter() if _local(element.tag) == name]


def _xml_root(body: bytes) -> ET.Element | None:
    try:
        # The document comes from the store that the user chose, and expat refuses the known expansion attacks.
        # S3 sends blanks before it while it completes an upload; XML allows none before its declaration.
        return ET.fromstring(body.strip())  # noqa: S314 - as said
    except ET.ParseError:
        return None


def _leaves(root: ET.Element) -> dict[str, str]:
    fields: dict[str, str] = {}
    for element in root.iter():
        if len(element) == 0:
            fields.setdefault(_local(element.tag), (element.text or "").strip())
    return fields


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
