"""medviewer: view, check and export medical volumes. Research use, not for diagnosis.

The functions below work without a window; nothing heavy is imported until one is called.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "read", "read_contours", "read_labels", "scan"]


def __getattr__(name: str) -> Any:
    if name in ("scan", "read", "read_labels", "read_contours"):
        from medviewer.io import access

        return getattr(access, name)
    raise AttributeError(f"module 'medviewer' has no attribute {name!r}")
