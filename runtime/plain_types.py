"""Types without raw JSON in them, for JSON Schema: a raw default has no schema, and whatever a raw field holds may be anything."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from msgspec import NODEFAULT, Raw, Struct, UnsetType, defstruct
from msgspec.structs import FieldInfo, fields


def plain_type(kind: type[Struct]) -> type[Struct]:
    """The type with plain values where it keeps raw ones; itself where it keeps none."""
    if not any(Raw in (field.type, *get_args(field.type)) for field in fields(kind)):
        return kind
    config = kind.__struct_config__
    made: type[Struct] = defstruct(
        kind.__name__, [plain_field(field) for field in fields(kind)], kw_only=True, tag=config.tag, tag_field=config.tag_field,
        forbid_unknown_fields=config.forbid_unknown_fields, namespace={"__doc__": kind.__doc__},
    )  # fmt: skip
    return made


def plain_field(field: FieldInfo) -> Any:
    """The field as `defstruct` takes it."""
    type_ = Any if field.type in (Raw, Raw | UnsetType) else field.type
    if field.required:
        return field.name, type_
    if field.default_factory is not NODEFAULT:
        return field.name, type_, msgspec.field(default_factory=field.default_factory)
    return field.name, type_, msgspec.json.decode(field.default) if isinstance(field.default, Raw) else field.default
