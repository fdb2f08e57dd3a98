"""Errors whose message is fit for a dialog: what failed, on which file, and what to try."""

from __future__ import annotations

from pathlib import Path


class MedviewerError(Exception):
    """An expected failure.

    Parameters
    ----------
    message : str
        One sentence in plain words; shown to the user as it is.
    path : Path, optional
        The file it is about.
    hint : str, optional
        What the user may try.
    """

    def __init__(self, message: str, *, path: str | Path | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = Path(path) if path is not None else None
        self.hint = hint

    def __str__(self) -> str:
        text = self.message
        if self.path is not None and self.path.name not in text:
            text = f"{self.path.name}: {text}"
        return f"{text} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        # errors travel back from worker processes
        return _rebuild, (type(self), self.message, self.path, self.hint)


def _rebuild(kind: type[MedviewerError], message: str, path: Path | None, hint: str) -> MedviewerError:
    return kind(message, path=path, hint=hint)


class ReadError(MedviewerError):
    """A file cannot be read."""


class WriteError(MedviewerError):
    """A file cannot be written; nothing half-written is left."""


class GeometryError(MedviewerError, ValueError):
    """Grids or positions do not fit each other."""


class ParamError(MedviewerError, ValueError):
    """A parameter is out of range or unknown."""


class ModelError(MedviewerError):
    """A model or its weights cannot be used."""


class PluginError(MedviewerError):
    """A feature file is broken or its package is missing."""


class Cancelled(Exception):  # noqa: N818 - not an error, and never shown as one
    """The user cancelled the job."""
