"""Starts medviewer: the one place where the window and the command line are wired together."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medviewer.app.screenshot_request import ScreenshotRequest


def main(argv: Sequence[str] | None = None) -> int:
    """Run medviewer with these arguments (default: those of the process); returns the exit status."""
    try:
        from medviewer.cli.main import run

        return run(sys.argv[1:] if argv is None else list(argv), _open_window, _take_screenshot)
    except KeyboardInterrupt:  # Ctrl+C while the program is still being imported
        return 130


def _open_window(paths: Sequence[Path], demo: bool) -> int:
    from medviewer.gui.application import run  # slow: only when a window is wanted

    return int(run(list(paths), demo=demo))


def _take_screenshot(request: ScreenshotRequest) -> int:
    from medviewer.gui.application import take_screenshot

    return int(take_screenshot(request))


if __name__ == "__main__":
    multiprocessing.freeze_support()  # the packaged program starts its workers by running itself
    sys.exit(main())
