"""Load a CT series of 400 x 512 x 512 uncompressed DICOM files: beside SimpleITK and beside reading the bytes.

Run: python tests/benchmarks/bench_load.py [folder for the synthetic series]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from series import write_series
from table import measure, show

PRELUDE = """
import json, resource, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def done(**more):
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **more}))
"""
BYTES = PRELUDE + """
start = time.perf_counter()
total = sum(len(p.read_bytes()) for p in sorted(folder.glob("*.dcm")))
done(seconds=time.perf_counter() - start)
"""
SIMPLEITK = PRELUDE + """
import SimpleITK as sitk
start = time.perf_counter()
reader = sitk.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
image = reader.Execute()
array = sitk.GetArrayViewFromImage(image)
done(seconds=time.perf_counter() - start, checksum=int(array[200, 250, 200:300].astype(int).sum()))
"""
MEDVIEWER = PRELUDE + """
from medviewer.io import access
access.prepare()  # imports, like the peer's own import, are not counted
start = time.perf_counter()
(series,) = access.scan(folder)
scanned = time.perf_counter() - start
loading = access.open_series(series)
loading.load_slice(200)
first = time.perf_counter() - start
volume = loading.load()
seconds = time.perf_counter() - start
values = volume.stored[200, 250, 200:300].astype(int) - 1024
done(seconds=seconds, scan_s=scanned, first_slice_s=first, checksum=int(values.sum()))
"""
WINDOW = PRELUDE + """
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PyQt6.QtCore import QEventLoop, QTimer
from medviewer.gui.application import make_application, warm_up
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
def until(reached):
    loop = QEventLoop()
    timer = QTimer(interval=1)
    timer.timeout.connect(lambda: reached() and loop.quit())
    timer.start()
    loop.exec()
until(lambda: window.grid.slice_views[0].frame_ms)
warm_up(session)  # as the program does while the user looks for the folder
until(lambda: not session.jobs.running)
view = window.grid.slice_views[0]
start = time.perf_counter()
session.open_paths([folder], remember=False)
until(lambda: view._drawn_plane is not None and not view._stale)
first = time.perf_counter() - start
until(lambda: session.active.loading.complete)
complete = time.perf_counter() - start
window.session.jobs.cancel_all()
window.close()
done(first_painted_s=first, complete_s=complete)
"""
VOLUME_MB = 400 * 512 * 512 * 2 / 2**20


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "medviewer-bench-400"
    write_series(folder)
    raw, peer = measure(BYTES, str(folder)), measure(SIMPLEITK, str(folder))
    own, window = measure(MEDVIEWER, str(folder)), measure(WINDOW, str(folder))
    assert raw is not None
    assert own is not None
    assert window is not None
    rows: list[list[object]] = [["read the bytes", raw["seconds"], "", raw["peak_mb"], ""]]
    if peer is not None:
        assert peer["checksum"] == own["checksum"], "the two readers disagree"
        rows.append(["SimpleITK series reader", peer["seconds"], "", peer["peak_mb"], ""])
    rows.append(["medviewer", own["seconds"], f"{own['seconds'] / peer['seconds']:.2f} x SimpleITK" if peer else "",
                 own["peak_mb"], f"volume + {own['peak_mb'] - VOLUME_MB:.0f} MB"])
    rows.append(["  scan only", own["scan_s"], f"{own['seconds'] / raw['seconds']:.2f} x bytes (whole load)", "", ""])
    rows.append(["  first slice in memory", own["first_slice_s"], "", "", ""])
    rows.append(["window: first slice painted", window["first_painted_s"], "target 0.3 s", "", ""])
    rows.append(["window: series complete", window["complete_s"], "", window["peak_mb"],
                 f"volume + {window['peak_mb'] - VOLUME_MB:.0f} MB"])
    show("CT 400 x 512 x 512, uncompressed, warm cache, medians",
         ["what", "seconds", "ratio", "peak MB", "memory"], rows)


if __name__ == "__main__":
    main()
