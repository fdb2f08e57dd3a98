"""How often each value occurs in a volume, from a subsample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.job import Job
from medviewer.core.volume import Volume

SAMPLES = 2_000_000  # values looked at
BINS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts of values.

    edges : (N + 1,) in the unit of the volume
    counts : (N,) of the sampled values
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def log_counts(self) -> NDArray[np.float64]:
        """log10(1 + count): one value more than none is still to be seen."""
        return np.asarray(np.log10(1.0 + self.counts))

    def inner_range(self, tail: float) -> tuple[float, float]:
        """Return the range that leaves out a fraction of the values at either end."""
        share = np.cumsum(self.counts) / self.counts.sum()
        low = int(np.searchsorted(share, tail, side="right"))
        high = int(np.searchsorted(share, 1 - tail)) + 1
        return float(self.edges[low]), float(self.edges[min(high, len(self.edges) - 1)])


def histogram(volume: Volume, t: int = 0, job: Job | None = None, bins: int = BINS) -> Histogram | None:
    """Count the rescaled values of a volume; padding and not-a-number are left out.

    Whole-numbered values get bins of whole-numbered width, so that no bin is empty by rounding.

    Returns
    -------
    Histogram or None
        None if there is nothing to count.
    """
    job = job or Job()
    values = _sample(volume, t, job)
    if values.size == 0:
        return None
    low, high = float(values.min()), float(values.max())
    if (values == np.rint(values)).all():
        step = max(1.0, np.ceil((high - low + 1) / bins))
        edges = np.arange(low - 0.5, high + step + 0.5, step)
    else:
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    counts, edges = np.histogram(values, edges)
    return Histogram(edges.astype(np.float64), counts.astype(np.int64))


def _sample(volume: Volume, t: int, job: Job) -> NDArray[np.float64]:
    stored = volume.at_time(t)
    step = max(1, int(np.ceil((np.prod(stored.shape[:3], dtype=float) / SAMPLES) ** (1 / 3))))
    parts = [np.zeros(0)]
    for k in job.each(range(step // 2 if stored.shape[0] > step else 0, stored.shape[0], step), "Counting values"):
        if not volume.is_present(k, t):
            continue
        values = stored[k, ::step, ::step]
        if volume.colour:
            parts.append(values.astype(np.float64).mean(axis=-1).round().ravel())
            continue
        keep = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        if volume.padding is not None:
            keep &= (values < volume.padding[0]) | (values > volume.padding[1])
        slope, intercept = volume.rescale.at(t, k)
        parts.append(values[keep].astype(np.float64) * slope + intercept)
    return np.concatenate(parts)
