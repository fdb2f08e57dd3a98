"""Scroll a 300 x 512 x 512 CT with a mask overlay (1 and 100 labels) and contours, beside napari.

The 2 x 2 layout with all three planes repainted; every frame is one slice further in one of the planes.
Run under a screen (xvfb-run -a python tests/benchmarks/bench_scroll.py [python that has napari]).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from table import measure, show

DATA = """
import json, os, resource, sys, time
from pathlib import Path
import numpy as np
labels_wanted = int(sys.argv[1])
rng = np.random.default_rng(0)
values = rng.normal(40, 60, (300, 512, 512)).astype(np.int16)
labels = np.zeros(values.shape, np.uint8)
for n in range(labels_wanted):
    k, j, i = rng.integers(0, [240, 430, 430]) if labels_wanted > 1 else (20, 100, 100)
    size = (60, 80, 80) if labels_wanted > 1 else (260, 300, 300)
    labels[k:k + size[0], j:j + size[1], i:i + size[2]] = n + 1
def done(times):
    times = np.array(times[10:]) * 1e3
    print(json.dumps({"median_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95)),
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
OWN = DATA + """
from PyQt6.QtWidgets import QApplication
from medviewer.app.layers import ContourLayer, ImageLayer, LabelLayer
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.app.views import LAYOUTS
from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap
from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.gui.application import make_application
from medviewer.gui.main_window import MainWindow
from medviewer.io.base import Loaded
from medviewer.ops.contour_cut import ContourCutter
app = make_application()
session = Session(lambda call: call(), SettingsStore(Path(os.devnull)))
session.settings.save = lambda: None
window = MainWindow(session)
window.resize(1500, 940)
window.show()
window.grid.volume_panel._start.setInterval(10**8)  # the 3D process has its own benchmark
geometry = Geometry.from_spacing(values.shape, (1.0, 0.7, 0.7))
series = Series("a", "bench", "image", (), geometry=geometry)
session.add_layer(ImageLayer(series, Loaded(Volume(values, geometry, unit="HU", modality="CT"))))
mask = LabelMap.from_array(labels, geometry)
session.add_layer(LabelLayer(Series("b", "bench", "labels", (), geometry=geometry), mask))
turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
rois = []
for n in range(10):
    ring = np.stack([180 + 20 * n + 40 * np.cos(turn), 150 + 10 * n + 40 * np.sin(turn)], 1)
    rois.append(ContourSegment(n + 1, f"roi {n}", (255, 20 * n, 90), tuple(
        Contour(np.column_stack([ring, np.full(len(ring), float(k))])) for k in range(40, 260, 3))))
contours = ContourSet(tuple(rois))
alone = sys.argv[2] == "alone"  # what napari shows: one plane, no contours
if alone:
    session.set_layout(LAYOUTS["single"])
else:
    session.add_layer(ContourLayer(Series("c", "bench", "rtstruct", ()), contours, ContourCutter(contours)))
for _ in range(20):
    QApplication.processEvents()
times = []
for n in range(120):
    view = session.views[0 if alone else n % 3]
    start = time.perf_counter()
    session.scroll(view, 1 if n < 60 else -1)
    QApplication.processEvents()
    times.append(time.perf_counter() - start)
window.close()
done(times)
"""
NAPARI = DATA + """
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
viewer.window.resize(1500, 940)
viewer.add_image(values, contrast_limits=(-160, 240), scale=(1.0, 0.7, 0.7))
viewer.add_labels(labels, scale=(1.0, 0.7, 0.7))
for _ in range(20):
    QApplication.processEvents()
canvas = viewer.window._qt_viewer.canvas
times = []
for n in range(70):
    start = time.perf_counter()
    step = list(viewer.dims.current_step)
    step[0] = 100 + n
    viewer.dims.current_step = step
    canvas.native.repaint()
    QApplication.processEvents()
    times.append(time.perf_counter() - start)
viewer.close()
done(times)
"""


def main() -> None:
    """Print the table."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    rows: list[list[object]] = []
    for labels in (1, 100):
        peer = measure(NAPARI, str(labels), runs=3, python=python)
        for kind, title in (("all", "2 x 2, 3 planes, 10 contours"), ("alone", "the same as napari: 1 plane")):
            own = measure(OWN, str(labels), kind, runs=3)
            assert own is not None
            ratio = f"napari / medviewer {peer['median_ms'] / own['median_ms']:.1f}" if peer else "napari not installed"
            rows.append([f"medviewer, {labels} labels, {title}", own["median_ms"], own["p95_ms"], own["peak_mb"],
                         ratio])
        if peer is not None:
            rows.append([f"napari, {labels} labels, 1 plane", peer["median_ms"], peer["p95_ms"], peer["peak_mb"], ""])
    show("Scroll one slice, ms a frame (target p95 16 ms, 8 x napari)",
         ["what", "median ms", "p95 ms", "peak MB", "ratio"], rows)


if __name__ == "__main__":
    main()
