"""Tests of masks, one file each: what is wrong with a mask, why, and what may be done about it."""

from __future__ import annotations

from medviewer.ops.checks.problem import Problem

__all__ = ["Problem"]
