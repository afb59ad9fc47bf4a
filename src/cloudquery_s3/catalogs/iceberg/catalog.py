"""The catalogue, as the spec describes it."""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any, Final

from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, NotInstalledError

from cloudquery_s3.errors import CatalogError, SpecError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from cloudquery_s3.spec import Spec

logging.getLogger("pyiceberg").setLevel(logging.ERROR)  # it warns of each column without bounds in each file

NAME: Final = "cloudquery"
"""The catalogue's name to pyiceberg, so that its own configuration (`PYICEBERG_CATALOG__CLOUDQUERY__…`) counts, too."""

_SECRET: Final = re.compile(r"credential|token|secret|password|key|auth|sas|uri", re.IGNORECASE)
_MAX_CHARACTERS: Final = 600
_THERE: Final = "already exists"
"""What SQLite and PostgreSQL say of a table that another process was the first to create."""


class Lake:
    """The catalogue and the names in it. Safe to use from several threads.

    Args:
        spec: its `iceberg` must be set.
    """

    def __init__(self, spec: Spec) -> None:
        assert spec.iceberg is not None  # noqa: S101 -- who asks for tables has options for them
        self.spec = spec
        self._options = spec.iceberg
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._opened: Catalog | None = None

    @property
    def catalog(self) -> Catalog:
        """The catalogue, opened once, however many threads ask for it first.

        Raises:
            SpecError: what pyiceberg needs for it is not installed.
            CatalogError: it does not answer, or refuses.
        """
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> Catalog:
        try:
            return _loaded(_defaults(self.spec) | self._options.catalog)
        except NotInstalledError as error:
            raise SpecError(f"needs more of pyiceberg: {self.words(error)}", field="iceberg.catalog.type") from None
        except Exception as error:  # noqa: BLE001 -- each kind of catalogue raises its own
            raise CatalogError(f"the Iceberg catalogue cannot be opened: {self.words(error)}") from None

    def try_namespace(self) -> None:
        """Ask the catalogue whether the namespace is there.

        Raises:
            SpecError, CatalogError: see `catalog`.
        """
        catalog = self.catalog
        try:
            catalog.namespace_exists(self._options.namespace)
        except Exception as error:  # noqa: BLE001 -- likewise
            raise CatalogError(f"the Iceberg catalogue does not answer: {self.words(error)}") from None

    def identifier(self, table: str) -> tuple[str, ...]:
        """Return what a table of CloudQuery is called in the catalogue."""
        return self._options.identifier(table)

    def load(self, table: str) -> Table | None:
        """Return a table as it is now, or None where there is none."""
        try:
            return self.catalog.load_table(self.identifier(table))
        except NoSuchTableError:
            return None

    def create_namespace(self) -> None:
        """Create the namespace, and those above it, where they are missing."""
        with self._lock:
            self._create_namespace()

    def words(self, error: BaseException) -> str:
        """Return what an error of the catalogue says, short and without a value of the options that may be secret."""
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        for name, value in self._options.catalog.items():
            if _SECRET.search(name) and len(value) > 3:  # noqa: PLR2004 -- nothing so short is a secret
                text = text.replace(value, f"<{name}>")
        line = " ".join(text.split())
        return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"

    def _create_namespace(self) -> None:
        levels = self._options.namespace.split(".")
        for depth in range(1, len(levels) + 1):
            namespace = tuple(levels[:depth])
            if not self.catalog.namespace_exists(namespace):
                try:
                    self.catalog.create_namespace(namespace)
                except NamespaceAlreadyExistsError:
                    continue


def _loaded(options: dict[str, str]) -> Catalog:
    """Load the catalogue; once more where another process was faster to create the tables of a new SQL catalogue."""
    try:
        return load_catalog(NAME, **options)
    except Exception as error:
        if _THERE not in str(error):
            raise
    return load_catalog(NAME, **options)


def _defaults(spec: Spec) -> dict[str, Any]:
    """Return how pyiceberg reaches the bucket that the spec names, where the catalogue's options say nothing else."""
    properties = {"s3.region": spec.region, "s3.endpoint": spec.endpoint}
    if spec.credentials is not None:
        properties |= {
            "s3.profile-name": spec.credentials.local_profile,
            "s3.role-arn": spec.credentials.role_arn,
            "s3.role-session-name": spec.credentials.role_session_name,
        }
    return {name: value for name, value in properties.items() if value}
