"""Settings dataclasses as tables: what a file may set is what the dataclass has, checked as it checks."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import time
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Optional, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model
from pydantic import Field as ModelField
from pydantic_core import core_schema

from hanota.config.values import fault, folder, listed, value_of
from hanota.errors import ConfigError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

_NAMES: Final[Mapping[str, object]] = {"Path": Path, "Eui64": Eui64, "time": time}
"""Types that a module of settings may import for its annotations alone."""


class Section:
    """Marks a settings dataclass as the table of a model: `hub: Annotated[HubSettings, Section()]`."""

    def __init__(self) -> None:
        self._settings: type | None = None

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Take a table with the dataclass's fields and make the dataclass of it."""
        self._settings = source

        def made(table: BaseModel) -> object:
            try:
                return source(**{name: getattr(table, name) for name in type(table).model_fields})
            except ConfigError as error:
                said = f"{error}; {error.hint}" if error.hint else str(error)
                raise fault(said) from None

        return core_schema.no_info_after_validator_function(made, handler.generate_schema(_model(source)))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the table with the docstrings of the dataclass."""
        described = handler(schema)
        table = handler.resolve_ref_schema(described)
        if self._settings is not None:
            table["description"] = inspect.getdoc(self._settings) or ""
            for name, text in docstrings(self._settings).items():
                if name in table.get("properties", {}):
                    table["properties"][name] = {**table["properties"][name], "description": text}
        return described


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a settings dataclass, with its annotation resolved."""

    name: str
    hint: Any
    secret: bool
    """Its dataclass keeps it out of `repr`: it is never shown."""
    field: Field[Any]

    @property
    def default(self) -> object:
        """What it is where nothing is said; MISSING where something has to be."""
        if self.field.default_factory is not MISSING:
            return self.field.default_factory()
        return self.field.default


@cache
def settings_of(settings: type) -> tuple[Setting, ...]:
    """Return the fields of a settings dataclass, before them those it adds to the one it extends."""
    hints = get_type_hints(settings, localns=dict(_NAMES))
    ordered = sorted(fields(settings), key=lambda each: each.name not in settings.__annotations__)
    return tuple(Setting(each.name, hints[each.name], not each.repr, each) for each in ordered)


def fields_at(model: type[BaseModel], place: Sequence[int | str]) -> tuple[str, ...]:
    """Return the names that may stand in the table at `place`, in order; none where there is no table."""
    if not place:
        return tuple(model.model_fields)
    table = _dataclass_in(model.model_fields[str(place[0])].annotation)
    for part in place[1:]:
        if table is not None and isinstance(part, str):
            table = next((_dataclass_in(each.hint) for each in settings_of(table) if each.name == part), None)
    return () if table is None else tuple(each.name for each in settings_of(table))


def _dataclass_in(hint: Any) -> type | None:
    """Return the settings dataclass in an annotation such as `tuple[DeviceSection, ...] | None`."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    return next((found for each in get_args(hint) if (found := _dataclass_in(each)) is not None), None)


@cache
def docstrings(settings: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass and of those it is made of."""
    found: dict[str, str] = {}
    for base in reversed(settings.__mro__):
        if not is_dataclass(base):
            continue
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for statement, after in pairwise(body):
            match statement, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = " ".join(text.split())
                case _:
                    pass
    return found


@cache
def _model(settings: type) -> type[BaseModel]:
    """Return a model with the fields of a settings dataclass."""
    made: dict[str, Any] = {}
    for each in settings_of(settings):
        default = each.default
        number = isinstance(default, int | float) and default < 0
        annotation = _annotation(each.hint, secret=each.secret, least=None if number else 0)
        if default is MISSING:
            made[each.name] = (annotation, ...)
        else:
            made[each.name] = (annotation, ModelField(default_factory=partial(_default, default)))
    return create_model(settings.__name__, __config__=ConfigDict(extra="forbid"), **made)


def _annotation(hint: Any, *, secret: bool, least: float | None) -> Any:
    """Return how pydantic reads what a dataclass has as `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        [inner] = [each for each in arguments if each is not type(None)]
        return Annotated[Optional[_annotation(inner, secret=secret, least=least)], BeforeValidator(_absent)]  # noqa: UP045  # computed
    if origin in (tuple, frozenset):
        inner = _annotation(arguments[0], secret=secret, least=least)
        several = tuple[inner, ...] if origin is tuple else frozenset[inner]  # type: ignore[valid-type]
        return Annotated[several, BeforeValidator(listed)]
    value = value_of(hint, secret=secret, least=least)
    if value is None and is_dataclass(hint):
        return Annotated[hint, Section()]
    if value is None:
        raise TypeError(f"no way to set a {hint}")
    return Annotated[hint, value]


def _default(value: object) -> object:
    return folder.get() / value if isinstance(value, Path) else value


def _absent(value: object) -> object:
    """`false` stands for what TOML has no word for: that there is none."""
    return None if value is False else value
