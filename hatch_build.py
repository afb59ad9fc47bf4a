"""What the package's metadata says that only its publisher knows: where its repository is, and whom to write to.

Neither is known in the repository itself, so a build takes both from its environment:

* `PROJECT_REPOSITORY_URL`, such as https://github.com/OWNER/NAME: the package's URLs, and where the links of its
  description lead, which are relative in README.md.
* `PROJECT_CONTACT_EMAIL`: the authors' address.

Without them the package has no such addresses. An sdist keeps those it was built with, and so does a wheel that is
built from it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

_AUTHORS: Final = "The cloudquery-destination-s3 authors"
_README: Final = "README.md"
_RELATIVE_LINK: Final = re.compile(r"\]\((?!https?:|#)")


class PublisherMetadata(MetadataHookInterface):
    """Fills the fields that pyproject.toml calls dynamic, as far as an sdist's PKG-INFO has not filled them."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the authors, the URLs and the description.

        Raises:
            ValueError: the repository's URL is none.
        """
        repository = os.environ.get("PROJECT_REPOSITORY_URL", "").rstrip("/")
        if repository and not re.fullmatch(r"https://[^\s/]+/\S+", repository):
            raise ValueError(
                f"PROJECT_REPOSITORY_URL: {repository} is not an address such as https://github.com/OWNER/NAME"
            )
        tag = f"v{metadata['version']}"
        found = {
            "authors": [_author(os.environ.get("PROJECT_CONTACT_EMAIL", ""))],
            "urls": _urls(repository, tag) if repository else {},
            "readme": {"content-type": "text/markdown", "text": self._description(repository, tag)},
        }
        metadata |= {field: value for field, value in found.items() if field in metadata["dynamic"]}

    def _description(self, repository: str, tag: str) -> str:
        text = Path(self.root, _README).read_text(encoding="utf-8")
        return _RELATIVE_LINK.sub(f"]({repository}/blob/{tag}/", text) if repository else text


def _author(email: str) -> dict[str, str]:
    return {"name": _AUTHORS, "email": email} if email else {"name": _AUTHORS}


def _urls(repository: str, tag: str) -> dict[str, str]:
    return {
        "Homepage": repository,
        "Documentation": f"{repository}/tree/{tag}/docs",
        "Changelog": f"{repository}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Security": f"{repository}/security/policy",
    }
