"""Iceberg tables of the objects that a Write has put. pyiceberg is imported below here alone, and only when asked for.

`publisher` hears of the objects and publishes; `commit` makes one commit to one table; `columns` and `files` say what a
file is to a table; `deletes` and `by_key` say which rows go.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from cloudquery_s3.committed import PublisherFactory, WriteStart
    from cloudquery_s3.spec import Spec


def require_pyiceberg() -> None:
    """Do nothing where pyiceberg is installed.

    Raises:
        SpecError: it is not.
    """
    if find_spec("pyiceberg") is None:
        raise SpecError(
            "needs pyiceberg, which is not installed: pip install 'cloudquery-destination-s3[iceberg]'", field="iceberg"
        )


def iceberg_publishers(spec: Spec, *, sync_id: str) -> PublisherFactory:
    """Return what makes the publisher of a Write. Blocks: it asks the catalogue for the namespace.

    Raises:
        SpecError: pyiceberg, or what it needs for this catalogue, is not installed.
        CatalogError: the catalogue does not answer, or refuses.
    """
    require_pyiceberg()
    from cloudquery_s3.catalogs.iceberg.catalog import Lake  # noqa: PLC0415 -- half a second, for those who ask for it
    from cloudquery_s3.catalogs.iceberg.publisher import IcebergPublisher  # noqa: PLC0415 -- likewise

    lake = Lake(spec)
    lake.try_namespace()

    def publisher(write: WriteStart) -> IcebergPublisher:
        return IcebergPublisher(lake, write, sync_id=sync_id)

    return publisher
