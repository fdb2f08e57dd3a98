"""The smooth shapes: body, muscles, lungs, heart and the organs under the diaphragm, as signed distances (mm)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medviewer.ops.phantom.grid import COARSE, COARSE_MM, Array, smax, smin, smooth_noise
from medviewer.ops.phantom.patient import CAVITY, MUSCLE, SPINE, Patient, Profile, stream

# name: middle (x, y, z) and half axes, mm from the carina of the average patient
HEART = {
    "left ventricle": ((38, -26, -80), (40, 34, 36)), "apex": ((56, -38, -90), (27, 23, 22)),
    "right ventricle": ((14, -50, -80), (38, 24, 33)), "right atrium": ((-27, -20, -62), (25, 31, 34)),
    "left atrium": ((3, 6, -46), (32, 19, 20)), "root": ((-2, -24, -36), (28, 25, 24)),
    "septum": ((8, -24, -76), (34, 27, 30)),
}
_MEDIASTINUM = Profile([(110, 36, 32, 4), (60, 32, 35, 1), (30, 33, 38, -6), (0, 31, 40, -6), (-30, 30, 42, -5),
                        (-60, 26, 38, 2), (-110, 24, 30, 12), (-200, 24, 30, 12)])  # as CAVITY
Ellipsoid = tuple[tuple[float, ...], tuple[float, ...]]

_LIVER = (((-58, -2, -168), (98, 96, 78)), ((6, -48, -146), (50, 32, 36)))
_SPLEEN = ((98, 42, -152), (27, 46, 36))
_STOMACH = ((72, -20, -152), (40, 46, 40))
_KIDNEYS = (((-56, 52, -194), (27, 26, 42)), ((57, 52, -186), (27, 26, 42)))
_SHOULDERS = (((-128, 24, 112), (52, 44, 62)), ((128, 24, 112), (52, 44, 62)))
_AXILLAE = (((-119, 4, 42), (20, 27, 50)), ((119, 4, 42), (20, 27, 50)))
STOMACH_LEVEL_Y = -26.0  # gas lies above (in front of) this depth


@dataclass(frozen=True, eq=False)
class Organs:
    """Signed distances on the coarse grid, mm, negative inside; `x` and `y` are anatomical positions."""

    skin: Array
    muscle: Array
    cavity: Array
    abdomen: Array
    lung: Array
    heart: Array
    liver: Array
    spleen: Array
    stomach: Array
    kidneys: Array
    axillae: Array
    groove: Array
    paraspinal: Array
    oblique: Array
    horizontal: Array
    side: Array
    depth: Array

    def lobe(self) -> Array:
        """Return a number per lobe: 1 right upper, 2 right middle, 3 right lower, 4 left upper, 5 left lower."""
        lower = self.oblique < 0
        right = np.where(lower, 3, np.where(self.horizontal < 0, 2, 1))
        return np.where(self.side < 0, right, np.where(lower, 5, 4)).astype(np.float32)


def ellipsoid(x: Array, y: Array, z: Array, shape: Ellipsoid, size: float = 1.0) -> Array:
    """Return the approximate signed distance of an ellipsoid (exact to first order at its surface)."""
    (cx, cy, cz), radii = shape
    a, b, c = (np.float32(1 / (r * size)) for r in radii)
    u, v, w = (x - np.float32(cx)) * a, (y - np.float32(cy)) * b, (z - np.float32(cz)) * c
    q = np.sqrt(u * u + v * v + w * w)
    u *= a
    v *= b
    w *= c
    return q * (q - 1) / np.maximum(np.sqrt(u * u + v * v + w * w), np.float32(1e-4))


def rounded_ring(x: Array, y: Array, a: Array, b: Array) -> Array:
    """Return the signed distance of a slightly squared ellipse (exponent 2.5) of half axes a, b."""
    u, v = np.abs(x) / a, np.abs(y) / b
    ru, rv = u * np.sqrt(u), v * np.sqrt(v)
    value = ru * u + rv * v - 1
    ru /= a
    rv /= b
    slope = np.float32(2.5) * np.sqrt(ru * ru + rv * rv)
    return np.clip(value / np.maximum(slope, np.float32(1e-3)), -60, 60)


def normalised(field: Array) -> Array:
    """Scale a field so that it grows by about 1 per mm near its zero."""
    steps = np.gradient(field, *COARSE_MM)
    slope = np.sqrt(steps[0] * steps[0] + steps[1] * steps[1] + steps[2] * steps[2])
    return np.asarray(field / np.clip(slope, 0.6, 4.0), np.float32)


def _domes(x: Array, y: Array, patient: Patient) -> Array:
    """Return the height of the diaphragm over (x, y)."""
    def dome(sign: int, top: float) -> Array:
        across = np.float32(sign) * x - np.float32(62)
        u = across * np.where(across > 0, np.float32(1 / 74), np.float32(1 / 150))
        back = y + np.float32(10)
        v = back * np.where(back > 0, np.float32(1 / 96), np.float32(1 / 135))
        rho = u * u + v * v
        return np.float32(top) - np.float32(54) * rho - np.float32(11) * rho * rho
    top = -92 + patient.diaphragm_mm
    return -smin(-dome(-1, top), -dome(1, top + patient.left_dome_mm), 16)


def _mediastinum(x: Array, y: Array, z: Array, heart: Array, heart_size: float,
                 cavity_front: Array) -> Array:
    """Return the signed distance of all between the lungs: heart, great vessels, spine, hila."""
    core = rounded_ring(x, y - _MEDIASTINUM.at(3, z), _MEDIASTINUM.at(1, z), _MEDIASTINUM.at(2, z))
    behind = y - SPINE.at(1, z)
    spine = smax(np.abs(x) - np.float32(18) - np.clip(behind * np.float32(0.4), 0, 10), -behind - np.float32(17), 18)
    front = y - cavity_front
    wedge = np.abs(x - 2) - np.float32(3) - np.maximum(16 - front, 0) * np.float32(0.9)
    strip = smax(wedge, y + np.float32(10), 6)
    out = smin(core, spine, 14)
    out = smin(out, strip, 8)
    for sign in (-1, 1):
        out = smin(out, ellipsoid(x, y, z, ((sign * 34, 8, -26), (16, 22, 28))), 10)
    out = smin(out, ellipsoid(x, y, z, ((24, -36, -104), (46, 34, 26)), heart_size), 14)  # fat on the diaphragm
    knob = ellipsoid(x, y, z, ((18, 4, 24), (22, 34, 19)))
    descending = np.sqrt((x - 24) * (x - 24) + (y - 37) * (y - 37)) - np.float32(16)
    descending = smax(descending, z - np.float32(24), 24)
    return smin(smin(smin(out, knob, 8), descending, 8), heart - np.float32(4), 10)


def build(patient: Patient) -> Organs:
    """Compute the smooth shapes of a patient."""
    x, y, z = patient.anatomical()
    rng = stream(patient.seed, "organs")
    cavity_y = CAVITY.at(3, z)
    cavity_front = cavity_y - CAVITY.at(2, z)
    cavity = rounded_ring(x, y - cavity_y, CAVITY.at(1, z), CAVITY.at(2, z))
    heart, groove = _heart(x, y, z, patient.heart)
    dome = _domes(x, y, patient)
    under = z - dome
    mediastinum = _mediastinum(x, y, z, heart, patient.heart, cavity_front)
    lung = smax(smax(cavity, -under, 3), -mediastinum, 5)
    lung = normalised(lung + smooth_noise(rng, COARSE, (30, 30, 30)) * np.float32(0.5))
    muscle, skin = _wall(x, y, z, patient, rng)
    spine = smax(np.abs(x) - np.float32(30), SPINE.at(1, z) - np.float32(22) - y, 20)
    abdomen = smax(smax(cavity + 1, normalised(under) + np.float32(3), 6), -spine, 10)
    liver = smin(ellipsoid(x, y, z, _LIVER[0]), ellipsoid(x, y, z, _LIVER[1]), 16)
    liver = smax(liver + smooth_noise(rng, COARSE, (35, 35, 35)) * np.float32(2), abdomen, 8)
    spleen = smax(ellipsoid(x, y, z, _SPLEEN), abdomen + 1, 8)
    stomach = smax(smax(ellipsoid(x, y, z, _STOMACH), abdomen + 2, 10), 5 - liver, 8)
    kidneys = np.minimum(*(ellipsoid(x, y, z, k) for k in _KIDNEYS))
    axillae = np.minimum(*(ellipsoid(x, y, z, a) for a in _AXILLAE))
    axillae = axillae + smooth_noise(rng, COARSE, (30, 16, 16)) * np.float32(5)
    paraspinal = smax(np.abs(x) - np.float32(36), SPINE.at(1, z) + np.float32(6) - y, 6)
    wave = smooth_noise(rng, COARSE, (70, 70, 70)) * np.float32(4)
    shift = np.where(x < 0, np.float32(-4), np.float32(8))
    oblique = (z + wave - np.float32(-38) - shift - np.float32(1.05) * y) * np.float32(0.69)
    horizontal = z + np.float32(24) + np.float32(0.12) * (y + 30) + wave * np.float32(0.6)
    return Organs(skin, muscle, cavity, abdomen, lung, normalised(heart), liver, spleen, stomach, kidneys, axillae,
                  groove, paraspinal, oblique, horizontal, x, y)


def _heart(x: Array, y: Array, z: Array, size: float) -> tuple[Array, Array]:
    """Return the signed distances of the heart and of the fat in the grooves between its chambers."""
    parts = {name: ellipsoid(x, y, z, shape, size) for name, shape in HEART.items()}
    heart = parts["left ventricle"]
    for name in list(HEART)[1:]:
        heart = smin(heart, parts[name], 14)
    pairs = (("left ventricle", "right ventricle"), ("right atrium", "right ventricle"),
             ("left atrium", "left ventricle"), ("root", "right atrium"))
    groove = np.abs(parts[pairs[0][0]] - parts[pairs[0][1]])
    for a, b in pairs[1:]:
        groove = np.minimum(groove, np.abs(parts[a] - parts[b]))
    wedge = groove * np.float32(0.7) - np.float32(1.9) - heart * np.float32(0.25)
    return heart, np.maximum(np.maximum(wedge, -heart - np.float32(8)), heart)


def _wall(x: Array, y: Array, z: Array, patient: Patient, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the signed distances of the muscles' surface and of the skin."""
    muscle = rounded_ring(x, y - MUSCLE.at(3, z), MUSCLE.at(1, z), MUSCLE.at(2, z))
    for shoulder in _SHOULDERS:
        muscle = smin(muscle, ellipsoid(x, y, z, shoulder), 30)
    furrow = 1 + x * x * np.float32(1 / 225)
    muscle = np.asarray(muscle + np.float32(4.5) / (furrow * furrow), np.float32)
    lumps = smooth_noise(rng, COARSE, (60, 45, 45)) * np.float32(2.0)
    side = np.abs(x) * np.float32(1 / 150)
    fat = np.float32(patient.fat_mm) * (np.float32(0.75) + np.float32(0.55) * side * side) + lumps
    fat = fat + np.clip((-z - 60) * np.float32(1 / 40), 0, 3) * np.float32(patient.fat_mm * 0.08)
    back = np.float32(114 * patient.scale[1])
    skin = smax(muscle - np.maximum(fat, 3), y * np.float32(patient.scale[1]) - back, 18)
    return normalised(muscle), normalised(skin)
