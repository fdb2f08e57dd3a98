"""Find feature files: a module in a feature folder that defines the named object is a feature."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import pkgutil
from functools import cache
from typing import Any

log = logging.getLogger(__name__)


@cache
def discover(package: str, name: str) -> dict[str, Any]:
    """Return the objects called `name` in the modules of `package`, by their id.

    Parameters
    ----------
    package : str
        Dotted name of the folder, e.g. ``medviewer.io.formats``.
    name : str
        ``READER``, ``WRITER``, ``TOOL``, ``PANEL``, ``LAYOUT``, ...

    Notes
    -----
    A module that fails to import is logged and left out: one broken feature never stops the others.
    """
    found: dict[str, Any] = {}
    folder = importlib.import_module(package)
    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
        if module.name.startswith("_"):
            continue
        try:
            feature = getattr(importlib.import_module(f"{package}.{module.name}"), name, None)
        except ImportError as error:
            log.error("feature %s.%s is left out: %s", package, module.name, error)
            continue
        if feature is not None:
            found[feature.id] = feature
    return found


def missing(feature: Any) -> list[str]:
    """Return the packages that `feature` needs and that are not installed."""
    return [p for p in getattr(feature, "requires", ()) if not _installed(p)]


@cache  # asked for every file of a scan
def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
