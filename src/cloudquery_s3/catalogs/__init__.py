"""Tables out of objects: what a catalogue or an engine has to be told so that a reader can `SELECT`.

`iceberg` and `glue` register what a Write has put, at its end; `ddl` writes SQL for people to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudquery_s3.committed import PublisherFactory
    from cloudquery_s3.spec import Spec


def catalog_publishers(spec: Spec, *, sync_id: str) -> list[PublisherFactory]:
    """Return what makes the publishers of the catalogues that a spec names, none for most. Blocks.

    Nothing of a catalogue's client is imported unless the spec names one.

    Raises:
        SpecError: a package is missing that a catalogue needs.
        CatalogError: a catalogue does not answer, or refuses.
        StoreError: there are no credentials.
    """
    found: list[PublisherFactory] = []
    if spec.iceberg is not None:
        from cloudquery_s3.catalogs.iceberg import iceberg_publishers  # noqa: PLC0415 -- see above

        found.append(iceberg_publishers(spec, sync_id=sync_id))
    if spec.glue is not None:
        from cloudquery_s3.catalogs.glue import glue_publishers  # noqa: PLC0415 -- see above

        found.append(glue_publishers(spec))
    return found
