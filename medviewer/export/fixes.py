"""Safe repairs of masks: each writes a new file with a note of where it came from; the original is never touched.

``resample`` puts a mask on the grid of its image by position, ``copy-geometry`` gives its voxels the position of the
image's, ``apply-transform`` moves it to the place that the check found. Nothing is repaired that does not have the
problem at hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from medviewer import __version__
from medviewer.core.errors import GeometryError, MedviewerError, ParamError, WriteError
from medviewer.core.files import atomic_write, safe_name
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.volume import Volume
from medviewer.export.case_check import CheckedCase, labels_on
from medviewer.export.cases import Failure
from medviewer.export.check_pairs import CheckPair
from medviewer.ops.alignment import judge, moved_labels

CODES = ("resample", "copy-geometry", "apply-transform", "drop-duplicates")
SUFFIX = ".nii.gz"


def fix_mask(code: str, pair: CheckPair, folder: Path | str, *, job: Job | None = None) -> Path:
    """Write a repaired copy of a mask.

    Parameters
    ----------
    code : one of ``resample``, ``copy-geometry``, ``apply-transform``
    pair : the mask and its image
    folder : where the new file is written, with a JSON file beside it

    Returns
    -------
    Path
        The new file.

    Raises
    ------
    ParamError
        If the repair is unknown.
    GeometryError
        If it does not fit the mask.
    WriteError
        If the file exists or cannot be written.
    """
    from medviewer.io.access import open_series

    job = job or Job()
    if code not in CODES or code == "drop-duplicates":
        raise ParamError(f"there is no repair {code!r} of one mask", hint=f"Use one of {', '.join(CODES[:3])}.")
    volume = open_series(pair.images[0], job).load(job)
    labels, words = _repaired(code, pair, volume, job)
    source = pair.mask.files[0]
    target = Path(folder) / f"{safe_name(source.name.split('.')[0], 'mask')}_{code}{SUFFIX}"
    _write(labels, target, source, job)
    _note(target, code, words, pair)
    return target


def _repaired(code: str, pair: CheckPair, volume: Volume, job: Job) -> tuple[LabelMap, str]:
    from medviewer.io.access import read_labels
    from medviewer.ops.resample import resample_labels

    if code == "apply-transform":
        labels, _ = labels_on(pair.mask, volume, job)
        found = judge(volume, labels, job=job)
        if found.better is None:
            raise GeometryError("no better place of the mask was found")
        return moved_labels(labels, found.better.move), f"the mask {found.better.text}; moved to the better place"
    if pair.mask.kind == "rtstruct":
        raise GeometryError("contours have no grid of their own")
    labels = read_labels(pair.mask, job=job)
    if code == "resample":
        return resample_labels(labels, volume.geometry, job=job), "resampled to the grid of the image, nearest voxel"
    if labels.geometry.shape != volume.geometry.shape:
        raise GeometryError("mask and image do not have the same number of voxels, so the geometry cannot be copied")
    return replace(labels, geometry=volume.geometry), "the position of the voxels was taken from the image"


def _write(labels: LabelMap, target: Path, source: Path, job: Job) -> None:
    from medviewer.export.convert import convert

    if target.exists() or target.resolve() == source.resolve():
        raise WriteError(f"{target.name} exists already", path=target, hint="Choose an empty folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    convert(labels, target, job=job)


def _note(target: Path, code: str, words: str, pair: CheckPair) -> None:
    source = pair.mask.files[0]
    document = {"medviewer": __version__, "repair": code, "what": words, "file": target.name,
                "mask": str(source), "mask_sha256": _digest(source), "image": str(pair.images[0].files[0])}
    with atomic_write(target.with_name(target.name.removesuffix(SUFFIX) + ".provenance.json"), "w",
                      encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        digest = sha256()
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def fix_cases(code: str, cases: Sequence[CheckedCase], pairs: Sequence[CheckPair], folder: Path | str, *,
              job: Job | None = None) -> tuple[list[Path], list[Failure]]:
    """Repair every case that has a problem which `code` helps against.

    ``drop-duplicates`` writes the list of the masks that remain (``kept.txt``) instead of masks.
    """
    if code not in CODES:
        raise ParamError(f"there is no repair {code!r}", hint=f"Use one of {', '.join(CODES)}.")
    job = job or Job()
    wanted = [c for c in cases if any(p.fix_code == code for p in c.problems + c.notes)]
    if code == "drop-duplicates":
        return [_kept(cases, wanted, Path(folder))], []
    by_mask = {str(p.mask.files[0]): p for p in pairs}
    written: list[Path] = []
    failures: list[Failure] = []
    for case in job.each(wanted, "Repairing"):
        try:
            written.append(fix_mask(code, by_mask[case.mask], folder, job=job))
        except (MedviewerError, KeyError) as error:
            reason = error.message if isinstance(error, MedviewerError) else "its files were not found again"
            failures.append(Failure(case.mask, reason))
    return written, failures


def _kept(cases: Sequence[CheckedCase], dropped: Sequence[CheckedCase], folder: Path) -> Path:
    gone = {c.mask for c in dropped}
    target = folder / "kept.txt"
    with atomic_write(target, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{c.mask}\n" for c in sorted(cases, key=lambda c: c.mask) if c.mask not in gone)
    return target
