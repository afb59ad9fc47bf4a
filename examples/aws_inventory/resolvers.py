"""How each table is listed: boto3 calls that give pages of items, region by region."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from examples.aws_inventory.aws import IN_PARALLEL, Aws, explained
from examples.aws_inventory.tables import (
    IMAGES,
    INSTANCE_TYPES,
    OFFERINGS,
    POLICIES,
    REGIONS,
    SUBNETS,
    VPCS,
    ZONES,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from examples.aws_inventory.rows import Item


def listing(aws: Aws, table: Table) -> Iterator[list[Item]]:
    """Yield every item of a table, a list a region, in the order of the regions.

    Raises:
        ListingError: AWS refused or could not be reached.
    """
    return _RESOLVERS[table.name](aws)


def _regions(aws: Aws) -> Iterator[list[Item]]:
    yield list(aws.all_regions.values())


def _zones(aws: Aws) -> Iterator[list[Item]]:
    return _per_region(aws, aws.regions, "describe_availability_zones", "AvailabilityZones")


def _vpcs(aws: Aws) -> Iterator[list[Item]]:
    for vpcs in _per_region(aws, aws.regions, "describe_vpcs", "Vpcs"):
        for vpc in vpcs:
            vpc["CidrBlocks"] = [block["CidrBlock"] for block in vpc.get("CidrBlockAssociationSet", [])]
        yield vpcs


def _subnets(aws: Aws) -> Iterator[list[Item]]:
    return _per_region(aws, aws.regions, "describe_subnets", "Subnets")


def _offerings(aws: Aws) -> Iterator[list[Item]]:
    operation, key = "describe_instance_type_offerings", "InstanceTypeOfferings"
    return _per_region(aws, aws.regions, operation, key, LocationType="availability-zone")


def _instance_types(aws: Aws) -> Iterator[list[Item]]:
    return _per_region(aws, aws.catalogue_regions, "describe_instance_types", "InstanceTypes")


def _images(aws: Aws) -> Iterator[list[Item]]:
    owners = list(aws.options.image_owners)
    return _per_region(aws, aws.catalogue_regions, "describe_images", "Images", Owners=owners)


def _policies(aws: Aws) -> Iterator[list[Item]]:
    """Yield the policies with their documents: most come from one listing, a call each gets those it leaves out.

    AWS leaves out its own policies that the account does not use.
    """
    iam = aws.client("iam", aws.home)
    known = _policy_documents(aws)

    def with_document(policy: Item) -> Item:
        arn, version = policy["Arn"], policy["DefaultVersionId"]
        if (arn, version) not in known:
            with explained(f"the policy {arn}", aws.home):
                answer = iam.get_policy_version(PolicyArn=arn, VersionId=version)
            return {**policy, "Document": answer["PolicyVersion"]["Document"]}
        return {**policy, "Document": known[arn, version]}

    with explained("the IAM policies", aws.home):
        for page in iam.get_paginator("list_policies").paginate(Scope="All", PaginationConfig={"PageSize": 500}):
            yield list(aws.pool.map(with_document, page["Policies"]))


def _policy_documents(aws: Aws) -> dict[tuple[str, str], Any]:
    """Return the documents that one listing of the account gives, by the policy's ARN and version."""
    documents = {}
    listing = aws.client("iam", aws.home).get_paginator("get_account_authorization_details")
    with explained("the policies' documents", aws.home):
        for page in listing.paginate(Filter=["AWSManagedPolicy", "LocalManagedPolicy"]):
            for policy in page["Policies"]:
                for version in policy["PolicyVersionList"]:
                    documents[policy["Arn"], version["VersionId"]] = version["Document"]
    return documents


_RESOLVERS: Final[dict[str, Callable[[Aws], Iterator[list[Item]]]]] = {
    REGIONS.name: _regions,
    ZONES.name: _zones,
    VPCS.name: _vpcs,
    SUBNETS.name: _subnets,
    INSTANCE_TYPES.name: _instance_types,
    IMAGES.name: _images,
    POLICIES.name: _policies,
    OFFERINGS.name: _offerings,
}


def _per_region(aws: Aws, regions: Iterable[str], operation: str, key: str, **request: Any) -> Iterator[list[Item]]:
    """Yield the items of each region, in order; a few regions are listed at a time, and no more are held in memory."""

    def every_page(client: Any, region: str) -> list[Item]:
        with explained(operation, region):
            if client.can_paginate(operation):
                pages = client.get_paginator(operation).paginate(**request)
            else:
                pages = [getattr(client, operation)(**request)]
            return [{**item, "Region": region} for page in pages for item in page[key]]

    under_way: deque[Any] = deque()
    for region in regions:
        under_way.append(aws.pool.submit(every_page, aws.client("ec2", region), region))
        if len(under_way) > IN_PARALLEL:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
