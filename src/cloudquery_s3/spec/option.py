"""What an option of the spec is, beyond its type: its words for the user and its JSON schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, WrapValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema


class OptionGroup(BaseModel):
    """Options that stand together in a spec: immutable, each of exactly its JSON type."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Option:
    """A field's annotation: the one place for what the schema and the documentation say of it.

    Attributes:
        about: its meaning to a user, as Markdown; the first sentence stands for the whole in a table.
        example: a value that somebody may write.
        nullable: whether the schema allows null. A sync takes null for "not set" everywhere.
        schema: JSON schema keywords to add. They may be stricter than what a sync accepts.
        default_text: the default in words, where the plain value would mislead.
    """

    about: str
    example: object
    nullable: bool = False
    schema: Mapping[str, object] = field(default_factory=dict)
    default_text: str = ""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the field's JSON schema, for pydantic."""
        schema = {**handler(core_schema), **self.schema, "description": self.about, "examples": [self.example]}
        if self.nullable and "type" in schema:
            schema["type"] = [schema["type"], "null"]
        return schema


def _text_for_now(value: object, handler: Callable[[object], object]) -> object:
    return value if isinstance(value, str) else handler(value)


def _anything_for_now(value: object, _handler: Callable[[object], object]) -> object:
    return value


CHOICE: Final = WrapValidator(_text_for_now)
"""Marks a choice of texts: decoding wants a text; a rule finds out, in its turn, whether it is one of the choices."""

LATER: Final = WrapValidator(_anything_for_now)
"""Marks what is decoded later, when its turn comes."""
