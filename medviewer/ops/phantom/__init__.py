"""A synthetic chest CT: anatomy, vessels and nodules of known size, drawn from a seed."""

from __future__ import annotations

from medviewer.ops.phantom.nodules import DEMO_NODULES, Nodule, NoduleKind, NoduleSpec, random_nodules
from medviewer.ops.phantom.thorax import SHAPE, VERSION, ThoraxPhantom, thorax

__all__ = ["DEMO_NODULES", "SHAPE", "VERSION", "Nodule", "NoduleKind", "NoduleSpec", "ThoraxPhantom", "random_nodules",
           "thorax"]
