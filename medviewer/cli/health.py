"""Is the installation sound? Each check answers in one sentence, and never takes the program down with it.

What may crash in native code (VTK, Qt) is tried in a child process. The names of the window's packages are data
here: this layer does not import them.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

PROBE_S = 60.0
MIN_MEMORY_GB, MIN_DISK_GB = 4.0, 2.0
GB = 1024.0**3

PACKAGES = {  # distribution: what is lost without it
    "numpy": "everything", "scipy": "resampling and labelling", "pydicom": "DICOM", "pillow": "pictures",
    "nibabel": "NIfTI", "pynrrd": "NRRD", "SimpleITK": "resampling and MetaImage", "highdicom": "writing DICOM SEG",
    "PyQt6": "the window", "pyqtgraph": "histograms and profiles", "vtk": "3D", "psygnal": "the window",
    "pydantic": "settings and recipes", "pyyaml": "recipes", "typer": "the command line", "rich": "the command line",
    "platformdirs": "settings", "contourpy": "mask outlines", "defusedxml": "XML files", "psutil": "the memory gauge",
}
SYNTAXES = {  # transfer syntax UID: name
    "1.2.840.10008.1.2.5": "RLE", "1.2.840.10008.1.2.4.50": "JPEG baseline", "1.2.840.10008.1.2.4.51": "JPEG 12 bit",
    "1.2.840.10008.1.2.4.57": "JPEG lossless", "1.2.840.10008.1.2.4.70": "JPEG lossless SV1",
    "1.2.840.10008.1.2.4.80": "JPEG-LS", "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless", "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless", "1.2.840.10008.1.2.4.203": "HTJ2K",
}


@dataclass(frozen=True, slots=True)
class Check:
    """The answer of one check."""

    id: str
    status: Literal["ok", "warning", "problem"]
    text: str
    fix: str = ""


def examine() -> list[Check]:
    """Run all checks."""
    return [*_program(), *_decoders(), *_drawing(), *_window(), *_machine()]


def _program() -> Iterator[Check]:
    from medviewer import __version__

    yield Check("program", "ok", f"medviewer {__version__}, Python {platform.python_version()}, {platform.platform()}")
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Check("packages", "ok", ", ".join(found))
    for name in missing:
        yield Check("packages", "problem", f"the package {name} is missing: without it, no {PACKAGES[name]}",
                    f"Install it with: python -m pip install {name}")


def _decoders() -> Iterator[Check]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    able: list[str] = []
    unable: list[str] = []
    for uid, name in SYNTAXES.items():
        try:
            (able if get_decoder(UID(uid)).is_available else unable).append(name)
        except NotImplementedError:
            unable.append(name)
    yield Check("decoders", "ok", f"compressed DICOM that can be read: {', '.join(able) or 'none'}")
    for name in unable:
        yield Check("decoders", "problem", f"{name} images cannot be read",
                    "Install pylibjpeg, pylibjpeg-libjpeg, pylibjpeg-openjpeg, pylibjpeg-rle and pyjpegls.")
    if importlib.util.find_spec("gdcm") is not None:
        yield Check("gdcm", "warning", "python-gdcm is installed: damaged files can make it abort the whole program",
                    "medviewer does not need it; it is used in the decoding worker only.")


def _drawing() -> Iterator[Check]:
    yield from _probed("3d", _probe_vtk, "3D drawing (VTK, off screen)",
                       "2D works without it. On Linux install the OpenGL libraries (libgl1, libegl1).")


def _window() -> Iterator[Check]:
    yield from _probed("qt", _probe_qt, "window system (Qt)",
                       "On Linux install libegl1, libxkbcommon0, libdbus-1-3 and libfontconfig1.")
    if sys.platform.startswith("linux"):
        yield from _probed("xcb", _probe_xcb, "windows on X11",
                           "Install libxcb-cursor0, libxcb-icccm4, libxcb-keysyms1 and libxkbcommon-x11-0.")


def _machine() -> Iterator[Check]:
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total / GB, memory.available / GB
    enough = total >= MIN_MEMORY_GB
    yield Check("memory", "ok" if enough else "warning", f"memory: {total:.1f} GB, {free:.1f} GB free",
                "" if enough else f"Large scans need {MIN_MEMORY_GB:g} GB and more.")
    folder = Path(tempfile.gettempdir())
    disk = shutil.disk_usage(folder).free / GB
    roomy = disk >= MIN_DISK_GB
    yield Check("disk", "ok" if roomy else "warning", f"disk: {disk:.1f} GB free for temporary files in {folder}",
                "" if roomy else "Free some space, or set TMPDIR to a larger disk.")
    yield _settings_folder()


def _settings_folder() -> Check:
    from medviewer.app.settings import settings_path

    folder = settings_path().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("settings", "warning", f"settings cannot be kept in {folder}: {error.strerror}",
                     "Make the folder writable; medviewer runs without it, but forgets its settings.")
    return Check("settings", "ok", f"settings are kept in {folder}")


def _probed(name: str, probe: Callable[[], str], what: str, fix: str) -> Iterator[Check]:
    """Run a probe in a child process; its death is an answer too."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, probe), daemon=True)
    child.start()
    theirs.close()
    try:
        fine, text = mine.recv() if mine.poll(PROBE_S) else (False, f"no answer within {PROBE_S:g} s")
    except EOFError:
        child.join(5)
        fine, text = False, f"the trial ended the process (status {child.exitcode})"
    if child.is_alive():
        child.kill()
    child.join(5)
    yield Check(name, "ok", f"{what}: {text}") if fine else Check(name, "problem", f"{what} does not work: {text}", fix)


def _child(answer: Connection, probe: Callable[[], str]) -> None:
    try:
        answer.send((True, probe()))
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        answer.send((False, " ".join(str(error).split()) or type(error).__name__))
    finally:
        answer.close()


def _probe_vtk() -> str:
    core: Any = importlib.import_module("vtkmodules.vtkRenderingCore")
    importlib.import_module("vtkmodules.vtkRenderingOpenGL2")
    window = core.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(16, 16)
    window.AddRenderer(core.vtkRenderer())
    window.Render()
    facts = dict(line.split(":", 1) for line in window.ReportCapabilities().splitlines() if ":" in line)
    renderer = facts.get("OpenGL renderer string", "").strip()
    if not renderer:
        raise RuntimeError("no OpenGL context can be made")
    return renderer


def _probe_qt() -> str:
    import os

    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    gui: Any = importlib.import_module("PyQt6.QtGui")
    core: Any = importlib.import_module("PyQt6.QtCore")
    importlib.import_module("PyQt6.QtWidgets")
    app = gui.QGuiApplication(["medviewer"])
    families = gui.QFontDatabase.families()
    app.quit()
    if not families:
        raise RuntimeError("no fonts are installed, so that texts would be empty boxes (install fonts-dejavu-core)")
    return f"Qt {core.qVersion()}, {len(families)} fonts"


def _probe_xcb() -> str:
    core: Any = importlib.import_module("PyQt6.QtCore")
    folder = Path(core.QLibraryInfo.path(core.QLibraryInfo.LibraryPath.PluginsPath)) / "platforms"
    loader = core.QPluginLoader(str(folder / "libqxcb.so"))
    if not loader.load():
        raise RuntimeError(loader.errorString())
    return "all libraries are there"
