"""The layers of the package, and rules that a tool can check."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "medviewer").rglob("*.py"))


def test_imports_go_one_way() -> None:
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml")) == EXIT_STATUS_SUCCESS


def _fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_medviewer_loads_nothing_heavy() -> None:
    loaded = _fresh("import sys, medviewer; print(' '.join(sys.modules))").split()
    heavy = {"numpy", "pydicom", "scipy", "vtk", "vtkmodules", "PyQt6", "torch", "SimpleITK", "nibabel"}
    assert not heavy & set(loaded)


def test_the_window_starts_without_slow_packages() -> None:
    loaded = _fresh("import sys, medviewer.gui.main_window; print(' '.join(sys.modules))").split()
    slow = {"scipy", "vtk", "vtkmodules", "torch", "SimpleITK", "highdicom", "pyqtgraph", "matplotlib"}
    assert not slow & set(loaded)


def test_forbidden_calls_are_nowhere() -> None:
    """No code is run from data files, and the event loop is never pumped by hand."""
    pattern = re.compile(r"\bpickle\.loads?\(|allow_pickle\s*=\s*True|weights_only\s*=\s*False|\.extractall\(|"
                         r"(?<![\w.])eval\(|shell\s*=\s*True|processEvents")
    own_child = ROOT / "medviewer/gui/views/render3d/pipes.py"  # messages between the program's own two processes
    found = [f"{path.relative_to(ROOT)}:{n}" for path in SOURCES if path != own_child
             for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if pattern.search(line)]
    assert not found


def test_ruff_and_mypy_are_content() -> None:
    for command in (["ruff", "check", "."], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
