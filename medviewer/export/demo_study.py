"""The demo study: a synthetic thorax as CT, RTSTRUCT and SEG, with the truth about its nodules.

A study is written into a folder beside its place and renamed when complete. The copy in the user's cache is checked by
the hashes of its files before it is used, and written anew when a file is damaged or the generator has changed.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from medviewer.core.contours import ContourSet
from medviewer.core.errors import WriteError
from medviewer.core.files import atomic_write, fsync_folder
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.export.demo_ct import STUDY_DATE, STUDY_TIME, demo_uid, identity, write_ct
from medviewer.ops.phantom import SHAPE, VERSION, Nodule, ThoraxPhantom, thorax

WRITER_VERSION = 1  # of the files; raised when the same phantom gives other files than before
GENERATOR = "medviewer synthetic thorax"
TRUTH = "nodules.json"
DRAWN = ("Right lung", "Left lung", "Heart", "Spine", "Trachea and main bronchi")  # in the RTSTRUCT, with the nodules
SEGMENTED = ("Right lung", "Left lung", "Airways", "Pulmonary vessels")  # in the SEG, with the nodules
_LASTING_UIDS = ("1.2.840.10008.", "2.25.")  # of the standard, and our own


def write_demo_study(folder: Path, *, seed: int = 0, shape: tuple[int, int, int] | None = None,
                     job: Job | None = None) -> Path:
    """Write a demo study: CT/IM0001.dcm ..., RTSTRUCT.dcm, SEG.dcm, nodules.csv and nodules.json.

    Parameters
    ----------
    folder : Path
        Must not exist, be empty, or hold a demo study, which is then replaced.
    seed : int
        Which patient (see `medviewer.ops.phantom.thorax`); the same seed gives the same bytes.
    shape : (K, J, I), optional
        Voxels of the CT.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    WriteError
        If the folder holds something else, or cannot be written; nothing half-written is left.
    """
    folder = Path(folder)
    job = job or Job()
    _check_place(folder)
    phantom = thorax(seed, shape=shape or SHAPE, job=job.part(0, 0.4))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    except OSError as error:
        raise WriteError(f"{folder.name} cannot be written: {error.strerror}", path=folder) from error
    try:
        study = temporary / "study"
        _write_files(phantom, study, job.part(0.4, 1.0))
        job.check()
        _put_in_place(study, folder, temporary / "replaced")
    except OSError as error:
        raise WriteError(f"{folder.name} cannot be written: {error.strerror or error}", path=folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def demo_folder(job: Job | None = None) -> Path:
    """Return the folder of the demo study in the user's cache, written if it is missing, damaged or outdated.

    Raises
    ------
    WriteError
        If it has to be written and cannot be.
    """
    from platformdirs import user_cache_path

    cache = user_cache_path("medviewer", appauthor=False) / "demo"
    folder, manifest = cache / "thorax", cache / "thorax.json"
    if not _is_intact(folder, manifest):
        try:
            manifest.unlink(missing_ok=True)
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise WriteError(f"the damaged demo study cannot be removed: {error.strerror}", path=folder) from error
        write_demo_study(folder, job=job)
        content = {"generator": GENERATOR, "version": [VERSION, WRITER_VERSION], "files": _hashes(folder)}
        with atomic_write(manifest, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
    return folder


def _is_intact(folder: Path, manifest: Path) -> bool:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return content["version"] == [VERSION, WRITER_VERSION] and content["files"] == _hashes(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def _check_place(folder: Path) -> None:
    """Refuse a folder that holds anything but a demo study."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise WriteError(f"{folder.name} is a file, not a folder", path=folder)
    try:
        ours = json.loads((folder / TRUTH).read_text(encoding="utf-8")).get("generator") == GENERATOR
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours and any(folder.iterdir()):
        raise WriteError(f"{folder.name} is not empty", path=folder, hint="Choose an empty or a new folder.")


def _put_in_place(study: Path, folder: Path, aside: Path) -> None:
    """Rename the new study to its place; an older demo study there is moved aside first and back on failure."""
    replaced = folder.exists()
    if replaced:
        os.replace(folder, aside)
    try:
        os.replace(study, folder)
    except OSError:
        if replaced:
            os.replace(aside, folder)
        raise
    fsync_folder(folder.parent)


def _write_files(phantom: ThoraxPhantom, study: Path, job: Job) -> None:
    files = write_ct(phantom, study / "CT", job.part(0, 0.3))
    _write_contours(phantom, study / "RTSTRUCT.dcm", files, job.part(0.3, 0.6))
    _write_segmentation(phantom, study / "SEG.dcm", files, job.part(0.6, 1.0))
    _write_truth(phantom, study)


def _chosen(phantom: ThoraxPhantom, names: Sequence[str]) -> LabelMap:
    """Return the labels with only the named segments and the nodules."""
    nodules = {n.label for n in phantom.nodules}
    segments = tuple(s for s in phantom.labels.segments if s.name in names or s.value in nodules)
    names_of = identity(phantom)
    return replace(phantom.labels, segments=segments, refers_to=demo_uid(*names_of, "series"),
                   frame_of_reference_uid=demo_uid(*names_of, "frame of reference"))


def _write_contours(phantom: ThoraxPhantom, path: Path, files: list[Path], job: Job) -> None:
    from medviewer.io.formats.rtstruct import write_rtstruct
    from medviewer.ops.contouring import mask_to_contours

    labels = _chosen(phantom, DRAWN)
    contours: ContourSet = mask_to_contours(labels, form="smooth", job=job.part(0, 0.7))
    write_rtstruct(contours, path, source_files=files, label="Demo contours", algorithm=GENERATOR, job=job.part(0.7, 1))
    _fix_identity(path, phantom, "contours", 3)


def _write_segmentation(phantom: ThoraxPhantom, path: Path, files: list[Path], job: Job) -> None:
    from medviewer.io.formats.dicom_seg import write_seg

    write_seg(_chosen(phantom, SEGMENTED), path, source_files=files, segmentation_type="BINARY", job=job)
    _fix_identity(path, phantom, "segmentation", 4)


def _fix_identity(path: Path, phantom: ThoraxPhantom, name: str, number: int) -> None:
    """Replace what a writer draws or takes from the clock, so that the same seed gives the same bytes."""
    import pydicom
    from pydicom.uid import UID

    dataset = pydicom.dcmread(path)
    names = identity(phantom)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(demo_uid(*names, name, "instance"))
    dataset.SeriesInstanceUID = demo_uid(*names, name, "series")
    dataset.SeriesNumber = number
    drawn: dict[str, str] = {}
    for element in dataset.iterall():
        if element.VR == "UI" and element.VM == 1 and not str(element.value).startswith(_LASTING_UIDS):
            element.value = drawn.setdefault(str(element.value), demo_uid(*names, name, len(drawn)))
        elif element.VR == "DA" and element.keyword != "PatientBirthDate":
            element.value = STUDY_DATE
        elif element.VR == "TM":
            element.value = STUDY_TIME
        elif element.VR == "DT":
            element.value = STUDY_DATE + STUDY_TIME
    dataset.save_as(path, enforce_file_format=True)


def _write_truth(phantom: ThoraxPhantom, study: Path) -> None:
    names = identity(phantom)
    content = {
        "generator": GENERATOR, "version": [VERSION, WRITER_VERSION], "seed": phantom.seed,
        "series_uid": demo_uid(*names, "series"), "frame_of_reference_uid": demo_uid(*names, "frame of reference"),
        "nodules": [asdict(n) for n in phantom.nodules]}
    with open(study / TRUTH, "w", encoding="utf-8", newline="\n") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    columns = [f.name for f in fields(Nodule)]
    at = columns.index("centre_lps")
    columns[at:at + 1] = ["x_lps_mm", "y_lps_mm", "z_lps_mm"]
    with open(study / "nodules.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for nodule in phantom.nodules:
            row = [getattr(nodule, f.name) for f in fields(Nodule)]
            row[at:at + 1] = list(nodule.centre_lps)
            writer.writerow(row)
