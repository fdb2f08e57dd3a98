"""Time from starting the program to the painted window without a file, beside napari.

Run: python tests/benchmarks/bench_startup.py [python that has napari]
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from table import measure, show

OWN = """
import time
start = time.perf_counter()
import json, os, resource
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from pathlib import Path
from PyQt6.QtCore import QEventLoop, QTimer
from medviewer.gui.application import make_application
from medviewer.gui.main_thread import MainThread
from medviewer.gui.main_window import MainWindow
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
app = make_application(off_screen=True)
main = MainThread()
session = Session(main.post, SettingsStore(Path(os.devnull)))
session.settings.save = lambda: None
window = MainWindow(session)
window.show()
loop = QEventLoop()
timer = QTimer(interval=1)
timer.timeout.connect(lambda: window.grid.slice_views[0].frame_ms and loop.quit())
timer.start()
loop.exec()
seconds = time.perf_counter() - start
window.close()
print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
NAPARI = """
import time
start = time.perf_counter()
import json, os, resource
os.environ["QT_QPA_PLATFORM"] = "offscreen"
import napari
viewer = napari.Viewer()
viewer.window._qt_viewer.canvas.native.repaint()
from qtpy.QtWidgets import QApplication
QApplication.processEvents()
seconds = time.perf_counter() - start
viewer.close()
print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    """Print the table."""
    own = measure(OWN)
    peer = measure(NAPARI, python=sys.argv[1] if len(sys.argv) > 1 else sys.executable)
    assert own is not None
    ratio = f"{own['seconds'] / peer['seconds']:.2f} x napari" if peer else "napari not installed"
    rows: list[list[object]] = [["medviewer", own["seconds"], own["peak_mb"], ratio]]
    if peer is not None:
        rows.append(["napari", peer["seconds"], peer["peak_mb"], ""])
    show("Window open, no file (target 1.0 s), medians", ["what", "seconds", "peak MB", "ratio"], rows)


if __name__ == "__main__":
    main()
