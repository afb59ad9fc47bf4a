"""What a user may ask of the source: the `spec` of the plugin's own part of the spec file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$", description="an AWS region, such as eu-west-1")]


class OptionsError(ValueError):
    """The spec cannot be used; the message names the option."""


class Options(BaseModel):
    """The source's options. Every one may be left out: the source then lists the account of the AWS credentials."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(
        default="", description="where to send every AWS call, such as a moto server; empty: AWS itself"
    )
    regions: tuple[Region, ...] = Field(
        default=(), description="the regions to list; empty: all that the account has enabled"
    )
    home_region: Region = Field(default="us-east-1", description="where to ask for the regions and the IAM policies")
    catalogue_regions: tuple[Region, ...] = Field(
        default=(),
        description="where to list instance types and images, which are many and alike everywhere; empty: home_region",
    )
    image_owners: tuple[str, ...] = Field(
        default=("self", "amazon"),
        min_length=1,
        description="whose images to list: an account's id, `self` or an alias",
    )

    @classmethod
    def parse(cls, document: bytes) -> Options:
        """Return the options of a plugin's spec as the CLI sends it: JSON, `null` or nothing where there is none.

        Raises:
            OptionsError: the document is not valid; the message names every wrong option.
        """
        try:
            return cls.model_validate_json(document if document not in (b"", b"null") else b"{}")
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, one['loc'])) or 'spec'}: {one['msg']}" for one in error.errors())
            raise OptionsError("; ".join(wrong)) from error
