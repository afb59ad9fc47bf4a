"""How each table is listed: boto3 calls that give pages of items, region by region."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
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
    from collections.abc import Callable, Iterator, Sequence

    from examples.aws_inventory.rows import Item


@dataclass(frozen=True)
class Resolver:
    """How one table is listed.

    Attributes:
        regions: where it is listed, always in the same order: what the Go SDK calls the table's clients.
        items: every item of some of these regions, a list a region, in the order of the regions.
    """

    regions: Callable[[Aws], Sequence[str]]
    items: Callable[[Aws, Sequence[str]], Iterator[list[Item]]]


def listing(aws: Aws, table: Table, regions: Sequence[str]) -> Iterator[list[Item]]:
    """Yield the table's items in these regions, a list a region, in the order of the regions.

    Raises:
        ListingError: AWS refused or could not be reached.
    """
    return RESOLVERS[table.name].items(aws, regions) if regions else iter(())


def _home(aws: Aws) -> Sequence[str]:
    return (aws.home,)


def _enabled(aws: Aws) -> Sequence[str]:
    return aws.regions


def _catalogue(aws: Aws) -> Sequence[str]:
    return aws.catalogue_regions


def _regions(aws: Aws, _home: Sequence[str]) -> Iterator[list[Item]]:
    yield list(aws.all_regions.values())


def _zones(aws: Aws, regions: Sequence[str]) -> Iterator[list[Item]]:
    return _per_region(aws, regions, "describe_availability_zones", "AvailabilityZones")


def _vpcs(aws: Aws, regions: Sequence[str]) -> Iterator[list[Item]]:
    for vpcs in _per_region(aws, regions, "describe_vpcs", "Vpcs"):
        for vpc in vpcs:
            vpc["CidrBlocks"] = [block["CidrBlock"] for block in vpc.get("CidrBlockAssociationSet", [])]
        yield vpcs


def _subnets(aws: Aws, regions: Sequence[str]) -> Iterator[list[Item]]:
    return _per_region(aws, regions, "describe_subnets", "Subnets")


def _offerings(aws: Aws, regions: Sequence[str]) -> Iterator[list[Item]]:
    operation, key = "describe_instance_type_offerings", "InstanceTypeOfferings"
    return _per_region(aws, regions, operation, key, LocationType="availability-zone")


def _instance_types(aws: Aws, regions: Sequence[str]) -> Iterator[list[Item]]:
    return _per_region(aws, regions, "describe_instance_types", "InstanceTypes")


def _images(aws: Aws, regions: Sequence[str]) -> Iterator[list[Item]]:
    owners = list(aws.options.image_owners)
    return _per_region(aws, regions, "describe_images", "Images", Owners=owners)


def _policies(aws: Aws, _home: Sequence[str]) -> Iterator[list[Item]]:
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


RESOLVERS: Final[dict[str, Resolver]] = {
    REGIONS.name: Resolver(_home, _regions),
    ZONES.name: Resolver(_enabled, _zones),
    VPCS.name: Resolver(_enabled, _vpcs),
    SUBNETS.name: Resolver(_enabled, _subnets),
    INSTANCE_TYPES.name: Resolver(_catalogue, _instance_types),
    IMAGES.name: Resolver(_catalogue, _images),
    POLICIES.name: Resolver(_home, _policies),
    OFFERINGS.name: Resolver(_enabled, _offerings),
}
"""Every table's, by its name."""


def _per_region(aws: Aws, regions: Sequence[str], operation: str, key: str, **request: Any) -> Iterator[list[Item]]:
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
