"""Settings read from a TOML file and the environment; the environment has its way."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource
from pydantic_settings import SettingsError as UnreadableError

from hanota.config.faults import SettingsError, environment_name, settings_error
from hanota.config.settings import ENVIRONMENT, SEPARATOR, Settings
from hanota.config.values import folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

MAXIMUM_FILE: Final = 1024 * 1024
"""Octets read of a settings file; one with a hundred devices has some 20 kB."""
_FIELD: Final = re.compile(r'field "(\w+)"')
_TABLES: Final = tuple(
    name
    for name, field in Settings.model_fields.items()
    if is_dataclass(field.annotation) and not field.is_required()
)


def load_settings(file: Path) -> Settings:
    """Return what `file` and the environment say; raise SettingsError with a line for each fault."""
    _check_environment()
    token = folder.set(file.absolute().parent)
    try:
        # A table that is not there is an empty one: defaults may depend on the folder too.
        return _reader({name: {} for name in _TABLES} | _read(file))()
    except ValidationError as error:
        raise settings_error(file, error) from None
    except UnreadableError as error:
        [name] = _FIELD.findall(str(error)) or ["..."]
        raise SettingsError([f"{environment_name([name])}: is no JSON"]) from None
    finally:
        folder.reset(token)


def _check_environment() -> None:
    """Refuse variables of tables that are not there: pydantic-settings passes them by."""
    tables = Settings.model_fields
    strangers = [
        name
        for name in sorted(os.environ)
        if name.upper().startswith(ENVIRONMENT)
        and SEPARATOR in name
        and name[len(ENVIRONMENT) :].split(SEPARATOR)[0].lower() not in tables
    ]
    if strangers:
        known = ", ".join(tables)
        raise SettingsError([f"{name}: there is no such table; there are {known}" for name in strangers])


def _reader(content: dict[str, Any]) -> Callable[[], Settings]:
    """Return the settings with `content` below the environment: pydantic-settings asks the class."""

    class FileSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # called by keyword
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return env_settings, InitSettingsSource(settings_cls, init_kwargs=content)

    # What is required comes from the sources.
    return cast("Callable[[], Settings]", FileSettings)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAXIMUM_FILE + 1)
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from None
    if len(data) > MAXIMUM_FILE:
        raise SettingsError([f"{file}: has more than {MAXIMUM_FILE} octets"])
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise SettingsError([f"{file}: is no TOML: {error}"]) from None
