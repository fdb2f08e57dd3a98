"""Tell the time points of a stack: which pictures of one place differ in time, echo, b-value, phase ..."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medviewer.core.study import Report
from medviewer.io.dicom import doctor
from medviewer.io.dicom.frames import EXACT, FLOATING, LAST, LOOSE, Frame, Vector

MOST_PLACES = 0.5  # share of the places that must hold all time points before loose values are trusted

MOST_CELLS = 0.75  # ... or of all positions x time points; needed before gaps in the numbering are trusted

Key = tuple[Vector, ...]


def age(frame: Frame) -> tuple[Vector, str, int]:
    """Return what frames are ordered by where nothing better tells them apart."""
    return frame.times.get("instance number", ()), str(frame.header.path), frame.index


def time_points(frames: Sequence[Frame], index: NDArray[np.int64]) -> tuple[list[int], list[Report]]:
    """Give each frame its time point; [] if there is only one.

    Parameters
    ----------
    frames : sequence of Frame
        Pictures of one stack.
    index : (N,)
        Number of the place of each.

    Notes
    -----
    Values made for telling time points apart are enough by themselves; others only where most places have the same
    number of pictures, and the instance number only where all have. Else pictures at one place are duplicates.
    """
    counts = np.bincount(index)
    most = int(counts.max())
    if most == 1:
        return [], []
    whole = len(frames) >= MOST_CELLS * most * len(counts)
    for names, needed, loose in (((*EXACT, *FLOATING), 0.0, True), ((*EXACT, *FLOATING, *LOOSE), MOST_PLACES, True),
                                 ((*EXACT, *FLOATING, *LOOSE, *LAST), 1.0, False)):
        if (counts == most).mean() < needed and not (loose and whole):
            continue
        keys, used = _keys(frames, index, names)
        if keys is None:
            continue
        ranks = _ranks(keys, index, most, exact=all(name in EXACT for name in used))
        if ranks is not None:
            return ranks, [doctor.time_points(max(ranks) + 1, " and ".join(used))]
    if whole:
        ranks = _by_number(frames, index, most)
        if ranks is not None:
            return ranks, [doctor.time_points(most, "instance number")]
    return [], []


def _by_number(frames: Sequence[Frame], index: NDArray[np.int64], most: int) -> list[int] | None:
    """Number the time points by instance numbers with gaps: phase after phase, or volume after volume.

    Only if the numbers of all frames fit one of the two patterns.
    """
    if any(len(f.times.get("instance number", ())) != 1 for f in frames):
        return None
    numbers = np.array([f.times["instance number"][0] for f in frames]).astype(np.int64)
    places = int(index.max()) + 1
    for start in sorted({1, int(numbers.min())}):
        since = numbers - start
        for ranks, place, count in ((since % most, since // most, most), (since // places, since % places, most)):
            pairs = set(zip(place.tolist(), index.tolist(), strict=True))
            if ranks.min() >= 0 and ranks.max() < count and len(pairs) == places == len({p for p, _ in pairs}) \
                    and len(set(zip(ranks.tolist(), index.tolist(), strict=True))) == len(frames):
                return [int(r) for r in ranks]
    return None


def _keys(frames: Sequence[Frame], index: NDArray[np.int64],
          names: Sequence[str]) -> tuple[list[Key] | None, list[str]]:
    """Combine as few values as needed to tell all frames of each place apart."""
    keys: list[Key] = [()] * len(frames)
    used: list[str] = []
    distinct = len(set(index.tolist()))
    for name in names:
        longer = [(*key, frame.times.get(name, ())) for key, frame in zip(keys, frames, strict=True)]
        count = len(set(zip(index.tolist(), longer, strict=True)))
        if count > distinct:
            keys, distinct = longer, count
            used.append(name)
        if distinct == len(frames):
            return keys, used
    return None, used


def _ranks(keys: Sequence[Key], index: NDArray[np.int64], most: int, *, exact: bool) -> list[int] | None:
    """Number the time points: by value where values mean the same on each slice, else by order within a slice."""
    values = sorted(set(keys))
    slices = int(index.max()) + 1
    if len(values) == most or (exact and len(keys) >= 0.5 * len(values) * slices):
        rank = {value: n for n, value in enumerate(values)}
        return [rank[key] for key in keys]
    found = [0] * len(keys)
    for c in range(slices):
        members = sorted(np.flatnonzero(index == c).tolist(), key=lambda n: keys[n])
        for n, member in enumerate(members):
            found[member] = n
    return found
