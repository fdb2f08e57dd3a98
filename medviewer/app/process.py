"""Settings of the process itself that make it a good host of a window."""

from __future__ import annotations

import contextlib
import ctypes
import sys

SWITCH_S = 0.001  # Python's 5 ms, waited for at every call from Qt while a worker computes, make a window sluggish
MMAP_FROM, TRIM_FROM = 4 << 20, 32 << 20  # bytes
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def prepare_process() -> None:
    """Let threads take turns quickly, and give the memory of closed volumes back to the system.

    glibc raises its threshold for separate mappings as large arrays are freed, and from then on keeps volumes and
    masks in its heaps: opening and closing one study 28 times grew from 410 to 1220 MB, with fixed thresholds it
    stays at 380 MB. Slices stay in the heap, where they are fastest.
    """
    sys.setswitchinterval(SWITCH_S)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, MMAP_FROM)
            mallopt(_M_TRIM_THRESHOLD, TRIM_FROM)
