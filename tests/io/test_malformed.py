"""Hostile and broken DICOM files through the real open path, in a process that may not die, hang or grow."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.io import dicom_bytes as db

GROWTH = 300 << 20  # bytes of memory a bomb may cost
MOST_MEMORY = 1 << 30

# Opens every path of argv[1] (JSON) as the program does and prints one line of JSON for each: what became of it.
DRIVER = """
import gc, json, resource, sys, threading, time, psutil
from pathlib import Path
from medviewer.core.errors import ReadError
from medviewer.core.job import Job
from medviewer.io import access
from medviewer.io.dicom import guards, pixels, worker

def outcome(path):
    result = access.scan_all(path)
    texts = [s.reason for s in result.skipped]
    read = 0
    for series in result.series:
        try:
            if series.kind in ("image", "parametric", "rtdose"):
                loading = access.open_series(series)
                loading.load(Job())
                texts += [r.code for r in loading.warnings]
            elif series.kind in ("seg", "labels"):
                access.read_labels(series)
            elif series.kind == "rtstruct":
                access.read_contours(series)
            read += series.kind != "other"
        except ReadError as error:
            texts.append(str(error))
        texts += [r.code for r in series.warnings]
    try:  # and past the sorting, which may refuse earlier
        reader = pixels.FrameReader(path, guards.read_header(path))
        for n in range(min(reader.layout.frames, 20)):
            reader.read(n)
        texts += [r.code for r in reader.reports]
    except ReadError as error:
        texts.append(str(error))
    return {"read": read, "series": len(result.series), "texts": texts}

def memory():
    found = psutil.Process()
    return sum(p.memory_info().rss for p in (found, *found.children()))

peak = 0
def watch():
    global peak
    while True:
        try:
            peak = max(peak, memory())
        except psutil.Error:
            pass
        time.sleep(0.01)

worker.warm_up()
for name in json.loads(Path(sys.argv[2]).read_text()):
    outcome(Path(name))  # import everything before memory is compared
gc.collect()
threading.Thread(target=watch, daemon=True).start()
for name in json.loads(Path(sys.argv[1]).read_text()):
    peak = before = memory()
    start = time.perf_counter()
    try:
        found = outcome(Path(name))
    except BaseException as error:
        found = {"raised": f"{type(error).__name__}: {error}"}
    found.update(path=name, seconds=time.perf_counter() - start, grown=peak - before)
    print(json.dumps(found), flush=True)
    gc.collect()
usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss is inherited from the process that started this one
    usage = 1024 * int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
print(json.dumps({"done": True, "memory": usage}), flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="measures memory with the resource module")


def drive(folder: Path, paths: list[Path], timeout: float, warm: list[Path]) -> list[dict]:
    """Open the files in another process; fails if it dies, hangs or takes too much memory."""
    todo, first = folder / "todo.json", folder / "warm.json"
    todo.write_text(json.dumps([str(p) for p in paths]), encoding="utf-8")
    first.write_text(json.dumps([str(p) for p in warm]), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", DRIVER, todo, first], capture_output=True, text=True, timeout=timeout,
                          check=False, cwd=Path(__file__).parents[2])
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (found[-1:], done.stderr[-2000:])
    assert found.pop()["memory"] < MOST_MEMORY
    assert [f["path"] for f in found] == [str(p) for p in paths]
    for one in found:
        assert "raised" not in one, one
        assert all(text and "\n" not in text and "Traceback" not in text for text in one["texts"]), one
    return found


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A good file, with all the program to import for it."""
    path = tmp_path / "plain.dcm"
    path.write_bytes(db.meta(db.J2K) + db.module(64, 64) + db.encapsulated([[db.j2k(np.zeros((64, 64), np.uint16))]]))
    return path


def test_collection_of_malformed_files(shared: Path, tmp_path: Path, plain: Path) -> None:
    files = sorted(p for p in (shared / "malformed").rglob("*") if p.suffix in (".dcm", ".zip"))
    assert len(files) == 88
    found = drive(tmp_path, files, 120, [plain])
    for one in found:
        assert one["read"] or one["texts"], one  # something, or a reason
        assert one["seconds"] < 5, one
        assert one["grown"] < GROWTH, one
    readable = {Path(one["path"]).name for one in found if one["read"]}
    assert {"MR_truncated.dcm", "TC0265_depth_100.dcm", "TC0377_no_preamble.dcm", "bad_sequence.dcm"} <= readable


def test_good_files_beside_bad_ones_still_open(shared: Path, tmp_path: Path) -> None:
    from medviewer.io import access

    good = sorted((shared / "geometry/hitachi-double-oblique").glob("*.dcm"))
    for number, path in enumerate([*good, *sorted((shared / "malformed").rglob("*.dcm"))]):
        (tmp_path / f"{number:03}{path.suffix}").write_bytes(path.read_bytes())
    result = access.scan_all(tmp_path)
    series = next(s for s in result.series if s.shape == (4, 64, 64))
    volume = access.open_series(series).load()
    assert (volume.stored.min(), volume.stored.max()) == (0, 1537)  # data README
    assert all(s.reason for s in result.skipped)


KINDS = [
    "lidc-idri-0001/dicom/000001.dcm", "transfer-syntaxes/emri-multiframe/emri_small.dcm",
    "transfer-syntaxes/emri-multiframe/emri_small_big_endian.dcm",
    *(f"transfer-syntaxes/emri-multiframe/emri_small_{k}.dcm" for k in ("RLE", "jpeg_2k_lossless", "jpeg_ls_lossless")),
    *(f"transfer-syntaxes/ct-image/CTImage.dcm_{k}.dcm" for k in (
        "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
        "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70", "JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50",
        "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51", "RLELosslessTransferSyntax_1.2.840.10008.1.2.5")),
    "multiframe/parametric_map_float.dcm", "pixel-variety/examples_palette.dcm", "pixel-variety/rtdose.dcm",
    "dicom-seg/liver.dcm", "pixel-variety/examples_ybr_color.dcm",
]


def test_truncated_copies_are_told(shared: Path, tmp_path: Path, plain: Path) -> None:
    paths = []
    for number, name in enumerate(KINDS):
        data = (shared / name).read_bytes()
        for step in range(10):
            keep = int(len(data) * (0.02 + 0.096 * step))
            path = tmp_path / f"cut-{number}-{step}.dcm"
            path.write_bytes(data[:keep])
            paths.append(path)
    for one in drive(tmp_path, paths, 200, [plain]):
        assert one["texts"], one
        if one["read"]:
            told = " ".join(one["texts"])
            assert any(word in told for word in ("truncated", "cut", "ends", "break", "not in the file")), one


def claim(stream: bytes, marker: bytes, at: int, size: int, width: int) -> bytes:
    """Change the size a code stream claims."""
    position = stream.index(marker) + at
    return stream[:position] + size.to_bytes(width, "big") * 2 + stream[position + 2 * width:]


def bombs() -> dict[str, bytes]:
    """Small files that ask for much (RELIABILITY 1.3)."""
    grey = np.zeros((100, 100), np.uint8)
    jpeg = claim(db.jpeg(grey), b"\xff\xc0", 5, 65500, 2)
    jpeg_ls = claim(db.jpeg_ls(grey), b"\xff\xf7", 5, 65500, 2)
    j2k = claim(claim(db.j2k(grey), b"\xff\x51", 6, 60000, 4), b"\xff\x51", 22, 60000, 4)
    rle = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 500
    small = db.module(100, 100, bits=8)
    deep = db.element(0x00400275, "SQ", length=db.UNDEFINED) + db.item(b"", length=db.UNDEFINED)
    zeros = bytes(300 << 20)
    return {
        **{f"{name}-{rows}": db.meta(syntax) + db.module(rows, rows, bits=8) + db.encapsulated([[stream]])
           for name, syntax, stream in (("jpeg", db.JPEG, jpeg), ("jpegls", db.JPEG_LS, jpeg_ls), ("j2k", db.J2K, j2k),
                                        ("rle", db.RLE, rle)) for rows in (100, 60000, 65500)
           if not (name == "rle" and rows == 100)},
        "frames": db.meta(db.EXPLICIT) + db.module(512, 512, frames=2_000_000_000) + db.native(bytes(4000)),
        "frames-jpeg": db.meta(db.JPEG) + db.module(100, 100, bits=8, frames=2_000_000_000)
        + db.encapsulated([[db.jpeg(grey)]]),
        "deflate-header": db.meta(db.DEFLATED) + db.deflate(small + db.element(0x00290010, "OB", zeros)),
        "deflate-pixels": db.meta(db.DEFLATED) + db.deflate(db.module(17000, 17000, bits=8) + db.native(zeros)),
        "deep": db.meta(db.EXPLICIT) + small + deep * 50_000,
        "pieces": db.meta(db.JPEG) + small + db.encapsulated([[b""] * 500_000]),
    }


def test_bombs_are_refused_at_once(tmp_path: Path, plain: Path) -> None:
    paths = []
    for name, data in bombs().items():
        paths.append(tmp_path / f"{name}.dcm")
        paths[-1].write_bytes(data)
    for one in drive(tmp_path, paths, 120, [plain]):
        assert not one["read"], one
        assert one["texts"], one
        assert one["seconds"] < 2 * 2, one  # scanned and opened, then opened once more past the scan
        assert one["grown"] < GROWTH, one


SEEDS = [
    "pixel-variety/CT_small.dcm", "pixel-variety/MR_small_bigendian.dcm", "pixel-variety/JPEG2000.dcm",
    "pixel-variety/SC_rgb_jpeg_dcmtk.dcm", "pixel-variety/SC_rgb_rle_16bit_2frame.dcm", "pixel-variety/rtplan.dcm",
    "pixel-variety/image_dfl.dcm", "transfer-syntaxes/emri-multiframe/emri_small_RLE.dcm",
    "transfer-syntaxes/emri-multiframe/emri_small_jpeg_ls_lossless.dcm", "dicom-seg/24x38x3/seg/label.seg",
]


def mutant(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """One of eight kinds of damage."""
    out = bytearray(data)
    kind = chance.randrange(8)
    at = chance.randrange(len(out))
    header = chance.randrange(132, min(len(out), 2000))
    if kind == 0:
        for _ in range(chance.randrange(1, 20)):
            out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        out[header:header + 4] = struct.pack("<I", chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)))
    elif kind == 2:
        del out[at:]
    elif kind == 3:
        del out[at:at + chance.randrange(1, 200)]
    elif kind == 4:
        out[at:at] = out[at:at + chance.randrange(1, 200)] * chance.randrange(1, 4)
    elif kind == 5:
        out[at:at + 100] = other[at % len(other):at % len(other) + 100]
    elif kind == 6:  # a number of the pixel module
        element = chance.choice((0x02, 0x06, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103))
        found = out.find(struct.pack("<HH2sH", 0x28, element, b"US", 2))
        if found >= 0:
            out[found + 8:found + 10] = struct.pack("<H", chance.choice((0, 1, 3, 7, 8, 15, 16, 17, 255, 65535)))
    else:
        for _ in range(chance.randrange(1, 8)):
            out[chance.randrange(132, min(len(out), 2000))] = chance.randrange(256)
    return bytes(out)


def write_mutants(shared: Path, folder: Path, count: int, seed: int) -> list[Path]:
    """Mutants of the seeds, the same for the same seed."""
    chance = random.Random(seed)
    data = [(shared / name).read_bytes() for name in SEEDS]
    paths = []
    for number in range(count):
        path = folder / f"mutant-{seed}-{number}.dcm"
        path.write_bytes(mutant(data[number % len(data)], chance.choice(data), chance))
        paths.append(path)
    return paths


def test_mutants(shared: Path, tmp_path: Path, plain: Path) -> None:
    start = time.perf_counter()
    found = drive(tmp_path, write_mutants(shared, tmp_path, 400, 11), 200, [plain])
    assert time.perf_counter() - start < 120
    assert sum(bool(one["read"]) for one in found) > 100  # most damage is small
    for one in found:
        assert one["read"] or one["texts"], one
        assert one["seconds"] < 25, one
        assert one["grown"] < GROWTH, one
