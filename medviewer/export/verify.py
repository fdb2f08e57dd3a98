"""Check what was written, by reading it again with another program's reader (plain ``numpy.load``)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import MedviewerError


class VerifyError(MedviewerError):
    """A written file does not hold what was to be written."""


def verify_npz(path: Path, expected: Mapping[str, NDArray[np.generic]]) -> None:
    """Compare an npz file with the arrays it should hold: names, types, shapes and every value.

    Raises
    ------
    VerifyError
        At the first difference.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            names = set(found.files)
            if names != set(expected):
                raise VerifyError(f"the written file holds {sorted(names)} instead of {sorted(expected)}", path=path)
            for name, array in expected.items():
                _compare(path, name, found[name], array)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise VerifyError(f"the written file cannot be read again: {error}", path=path) from error


def _compare(path: Path, name: str, found: NDArray[np.generic], wanted: NDArray[np.generic]) -> None:
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        raise VerifyError(f"{name} was written as {found.dtype} {found.shape} instead of "
                          f"{wanted.dtype} {wanted.shape}", path=path)
    if found.tobytes() != wanted.tobytes():
        raise VerifyError(f"{name} was written with other values", path=path)
