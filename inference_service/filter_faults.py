"""What is wrong with the filters that an operator has named, and with their settings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint

from pydantic import ValidationError

from inference_service.config import NAMING, Settings


def faults_of_filters(settings: Settings, points: Mapping[str, EntryPoint]) -> list[str]:
    """Return what is wrong with the names and the settings of filters; imports those that have settings."""
    faults = [
        NAMING.named(field, f"no filter {name!r}; there are {', '.join(sorted(points))}")
        for field, names in (("filters", settings.filters), ("filter_settings", settings.filter_settings))
        for name in names
        if name not in points
    ]
    for name, values in settings.filter_settings.items():
        if name not in points:
            continue
        try:
            points[name].load().Settings.model_validate(values)
        except ValidationError as exc:
            for error in exc.errors():
                where = ".".join(str(part) for part in (name, *error["loc"]))
                faults.append(NAMING.named("filter_settings", f"{where}: {error['msg']}"))
        except Exception as exc:
            faults.append(
                NAMING.named("filter_settings", f"{name} cannot be imported ({type(exc).__name__}: {exc})")
            )
    return faults
