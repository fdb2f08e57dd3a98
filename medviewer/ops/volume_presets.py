"""Looks of a rendered volume: how opaque and which colour each value is.

CT looks are given in HU. MR and PET values have no fixed meaning, so their looks are given in parts of the
volume's own range (0 = background, 1 = bright tissue; for SUV a fixed range) and are laid over it by `transfer`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from medviewer.core.errors import ParamError

Mode = Literal["composite", "mip"]
OpacityPoints = tuple[tuple[float, float], ...]
Rgb = tuple[float, float, float]
ColourPoints = tuple[tuple[float, Rgb], ...]


@dataclass(frozen=True, slots=True)
class TransferFunction:
    """What the renderer needs to know of a look, in the unit of the volume.

    opacity : (value, opacity per `unit_mm`), rising values
    colours : (value, (r, g, b) of 0...1)
    gradient : (gradient in value per mm, factor on the opacity); empty for none. Faint in even tissue, full at
        edges: keeps noise from showing as fog.
    mode : ray sum with opacity, or maximum intensity
    step_voxels : distance between samples on a ray in a picture at rest; looks with sharp edges need short steps
        (and their rays end soon), foggy ones do not
    """

    opacity: OpacityPoints
    colours: ColourPoints
    gradient: OpacityPoints = ()
    mode: Mode = "composite"
    unit_mm: float = 1.0
    ambient: float = 0.15
    diffuse: float = 0.85
    specular: float = 0.25
    shine: float = 20.0
    step_voxels: float = 0.5


@dataclass(frozen=True, slots=True)
class Preset:
    """A named look.

    scale : the points are in HU, or in parts of the range of the volume
    modalities : where it is offered; empty for all
    inside_body : what lies outside the body, and the skin, are hidden
    """

    id: str
    label: str
    scale: Literal["HU", "part"]
    modalities: tuple[str, ...]
    look: TransferFunction
    inside_body: bool = False

    def fits(self, modality: str, unit: str) -> bool:
        """Whether the preset makes sense for a volume."""
        if self.scale == "HU":
            return unit == "HU"
        return not self.modalities or modality in self.modalities

    def transfer(self, low: float, high: float) -> TransferFunction:
        """Return the look in the unit of a volume whose range is `low` ... `high` (unused for HU looks)."""
        if self.scale == "HU":
            return self.look
        width = max(high - low, 1e-6)
        look = self.look
        return replace(look, opacity=tuple((low + x * width, a) for x, a in look.opacity),
                       colours=tuple((low + x * width, c) for x, c in look.colours),
                       gradient=tuple((x * width, a) for x, a in look.gradient))


_BONE: ColourPoints = ((130, (0.70, 0.40, 0.28)), (240, (0.90, 0.72, 0.55)), (400, (0.97, 0.91, 0.80)),
                       (1000, (1.0, 0.98, 0.94)), (3000, (1.0, 1.0, 1.0)))
_TISSUE: ColourPoints = ((-1000, (0.30, 0.15, 0.10)), (-200, (0.86, 0.66, 0.52)), (-60, (0.90, 0.72, 0.52)),
                         (10, (0.72, 0.30, 0.24)), (90, (0.80, 0.38, 0.30)), (160, (0.88, 0.62, 0.46)),
                         (350, (0.96, 0.90, 0.78)), (3000, (1.0, 1.0, 1.0)))
_SKIN: ColourPoints = ((-650, (0.90, 0.68, 0.56)), (-300, (0.93, 0.72, 0.58)), (100, (0.95, 0.78, 0.64)),
                       (400, (0.98, 0.92, 0.82)))
_VESSEL: ColourPoints = ((100, (0.50, 0.06, 0.06)), (200, (0.80, 0.18, 0.12)), (330, (0.93, 0.50, 0.34)),
                         (500, (0.97, 0.88, 0.74)), (3000, (1.0, 1.0, 1.0)))
_AIR: ColourPoints = ((-1000, (0.45, 0.62, 0.80)), (-800, (0.62, 0.74, 0.85)), (-550, (0.88, 0.70, 0.66)),
                      (-300, (0.90, 0.48, 0.42)), (100, (0.92, 0.60, 0.50)))
_GREY: ColourPoints = ((0.0, (0.0, 0.0, 0.0)), (1.0, (1.0, 1.0, 1.0)))
_BRAIN: ColourPoints = ((0.0, (0.20, 0.16, 0.14)), (0.3, (0.62, 0.52, 0.46)), (0.7, (0.88, 0.82, 0.76)),
                        (1.0, (1.0, 0.98, 0.95)))
_HOT: ColourPoints = ((0.0, (0.0, 0.0, 0.0)), (0.25, (0.45, 0.03, 0.02)), (0.5, (0.92, 0.30, 0.02)),
                      (0.75, (1.0, 0.78, 0.20)), (1.0, (1.0, 1.0, 0.90)))

_ALL = (
    Preset("ct-chest", "CT chest (skin transparent)", "HU", ("CT",), TransferFunction(
        ((-600, 0), (-350, 0.012), (-150, 0.012), (0, 0.018), (90, 0.03), (160, 0.16), (280, 0.45), (700, 0.9)),
        _TISSUE, ambient=0.3, step_voxels=0.7)),
    Preset("ct-bone", "CT bone", "HU", ("CT",), TransferFunction(
        ((130, 0), (220, 0.10), (350, 0.45), (700, 0.85), (3000, 0.95)), _BONE)),
    Preset("ct-skin", "CT skin (bone behind cuts)", "HU", ("CT",), TransferFunction(
        ((-650, 0), (-450, 0.9), (-230, 0.9), (-150, 0), (160, 0), (260, 0.4), (500, 0.9)), _SKIN, step_voxels=0.25)),
    Preset("ct-lung", "CT lung and airways", "HU", ("CT",), TransferFunction(
        ((-960, 0), (-880, 0.004), (-750, 0.012), (-600, 0.06), (-450, 0.14), (-250, 0.05), (-150, 0)), _AIR,
        gradient=((0, 0.25), (60, 0.8), (150, 1.0)), ambient=0.25), inside_body=True),
    Preset("ct-angio", "CT angiography", "HU", ("CT",), TransferFunction(
        ((110, 0), (170, 0.08), (240, 0.40), (450, 0.75), (3000, 0.9)), _VESSEL)),
    Preset("mr", "MR", "part", ("MR",), TransferFunction(
        ((0.12, 0), (0.22, 0.05), (0.45, 0.16), (0.8, 0.40), (1.2, 0.7)), _BRAIN)),
    Preset("pet-mip", "PET hot MIP", "part", ("PT", "NM"), TransferFunction(
        ((0.0, 0), (0.06, 0.5), (0.2, 1.0), (1.0, 1.0)), _HOT, mode="mip")),
    Preset("ct-mip", "CT maximum intensity", "HU", ("CT",), TransferFunction(
        ((-200, 0), (-60, 0.8), (60, 1.0), (3000, 1.0)), ((-200, (0, 0, 0)), (900, (1, 1, 1))),
        mode="mip")),
    Preset("mip", "Maximum intensity", "part", (), TransferFunction(
        ((0.0, 0), (0.1, 0.8), (0.2, 1.0), (1.0, 1.0)), _GREY, mode="mip")),
    Preset("grey", "Grey values", "part", (), TransferFunction(
        ((0.15, 0), (0.3, 0.05), (0.6, 0.20), (1.0, 0.6)), _GREY)),
)
PRESETS: dict[str, Preset] = {p.id: p for p in _ALL}


def presets_for(modality: str, unit: str) -> tuple[Preset, ...]:
    """Return the presets that make sense for a volume, the best one first."""
    fitting = [p for p in _ALL if p.fits(modality, unit)]
    return tuple(sorted(fitting, key=lambda p: not p.modalities))  # those made for the modality first


def preset_by_id(name: str) -> Preset:
    """Find a preset.

    Raises
    ------
    ParamError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise ParamError(f"there is no 3D preset {name!r}", hint=f"Known presets: {', '.join(PRESETS)}.")
    return PRESETS[name]
