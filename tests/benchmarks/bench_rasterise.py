"""Time to turn a structure set of 30 structures on 300 slices into masks, beside rt-utils.

Run: python tests/benchmarks/bench_rasterise.py [python that has rt-utils] [folder for the series]

Both start from the opened structure set and the known grid, and end with one mask per structure: rt-utils as boolean
arrays, medviewer as a label map (one layer where nothing overlaps). rt-utils reads the numbers of the file as it fills;
for medviewer both times are given. medviewer fills by area (`exact`), rt-utils by
OpenCV's integer polygons, which are 3 to 40 percent too large.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from series import write_series
from table import measure, show

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.io.formats.rtstruct import write_rtstruct

STRUCTURES, SLICES, SIZE = 30, 300, 512
OWN = """
import json, resource, sys, time
from pathlib import Path
from medviewer.io.access import read_contours, scan
from medviewer.ops import rasterise
image = next(s for s in scan(Path(sys.argv[1]) / "images") if s.kind == "image")
structures = scan(Path(sys.argv[1]) / "rt.dcm")[0]
start = time.perf_counter()
contours = read_contours(structures)
read = time.perf_counter()
labels, _ = rasterise.rasterise(contours, image.geometry, rule=sys.argv[2])
end = time.perf_counter()
voxels = sum(int(labels.mask(s).sum()) for s in labels.segments)
print(json.dumps({"seconds": end - read, "with_reading": end - start, "megavoxels": voxels / 1e6,
                  "layers": len(labels.layers), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
RT_UTILS = """
import json, resource, sys, time
from rt_utils import RTStructBuilder
structures = RTStructBuilder.create_from(sys.argv[1] + "/images", sys.argv[1] + "/rt.dcm")
voxels = 0
start = time.perf_counter()
for name in structures.get_roi_names():
    voxels += int(structures.get_roi_mask_by_name(name).sum())
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "with_reading": seconds, "megavoxels": voxels / 1e6,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def write_structures(folder: Path) -> Path:
    """Write a series and its structures: a body outline, 26 organs side by side and 3 targets one in another.

    Every structure is on every slice, wobbles along the way, and has 60 to 400 points a contour.
    """
    images = write_series(folder / "images", SLICES, SIZE)
    if (folder / "rt.dcm").exists():
        return folder
    rng = np.random.default_rng(11)
    places = [(x, y) for y in (-115, -70, -25, 20, 65, 110) for x in (-130, -78, -26, 26, 78)][: STRUCTURES - 4]
    tubes = [(0.0, 0.0, 235.0, 400)] + [(x, y, r, int(8 * r)) for (x, y), r in
                                        zip(places, rng.uniform(10, 24, len(places)), strict=True)]
    tubes += [(60.0, 40.0, r, 200) for r in (20.0, 28.0, 36.0)]
    segments = []
    for n, (x, y, radius, count) in enumerate(tubes, start=1):
        angle = np.linspace(0, 2 * np.pi, max(count, 60), endpoint=False)
        contours = []
        for k in range(SLICES):
            r = radius * (1 + 0.05 * np.sin(3 * angle + k / 20) + 0.01 * rng.standard_normal(len(angle)))
            points = np.column_stack([x + r * np.cos(angle), y + 0.8 * r * np.sin(angle), np.full_like(r, k / 0.7)])
            contours.append(Contour(points * 0.7 + (0, 0, -200.0)))
        segments.append(ContourSegment(n, f"ROI {n}", (200, 8 * n, 50), tuple(contours)))
    write_rtstruct(ContourSet(tuple(segments)), folder / "rt.dcm", source_files=sorted(images.glob("*.dcm")))
    return folder


def main() -> None:
    """Print the table."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_structures(Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch))
        own = {rule: measure(OWN, str(folder), rule, runs=3) for rule in ("exact", "pixel-centre")}
        peer = measure(RT_UTILS, str(folder), runs=1, python=python, timeout_s=1800)
    rows: list[list[object]] = []
    for rule, found in own.items():
        assert found is not None
        ratio = " / ".join(f"{peer['seconds'] / found[n]:.1f} x" for n in ("seconds", "with_reading")) if peer else "?"
        rows.append([f"medviewer, {rule}", found["seconds"], found["with_reading"], found["megavoxels"],
                     found["peak_mb"], ratio])
    if peer is not None:
        rows.append(["rt-utils", peer["seconds"], peer["with_reading"], peer["megavoxels"], peer["peak_mb"], ""])
    show(f"Contours to masks, {STRUCTURES} structures x {SLICES} slices of {SIZE} x {SIZE} (target 10 x), medians",
         ["what", "seconds", "with reading", "megavoxels", "peak MB", "than rt-utils, filling / reading too"], rows)


if __name__ == "__main__":
    main()
