"""Unpack a ZIP file from a stranger: contained, bounded, into a folder that lives as long as the process.

Declared sizes are checked before anything is written and enforced while writing; names never lead out of the
folder; links, nested archives and encrypted members are left out and listed.
"""

from __future__ import annotations

import atexit
import shutil
import stat
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

from medviewer.core.errors import ReadError, WriteError
from medviewer.core.files import safe_join, safe_name
from medviewer.core.job import Job
from medviewer.core.study import Skipped

MAX_MEMBERS = 100_000
MAX_TOTAL = 64 << 30  # bytes unpacked from one archive
MAX_RATIO = 1100  # deflate cannot do better than 1032 : 1
BOMB_RATIO, BOMB_SIZE = 200, 256 << 20  # a whole archive that packs better than this above that size is a bomb
FREE_SHARE = 0.8  # of the free disk space that may be used
CHUNK = 1 << 20
MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OFFICE = ("[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF")  # archives that are documents or programs


def looks_like_zip(head: bytes) -> bool:
    """Judge by the first bytes."""
    return head.startswith(MAGIC)


def unpack(path: Path, job: Job) -> tuple[Path | None, list[Skipped]]:
    """Unpack an archive; returns the folder (None if nothing can be had) and what was left out.

    Raises
    ------
    Cancelled
        If the job is cancelled; what was unpacked so far is removed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked(path, archive)
            folder = Path(tempfile.mkdtemp(prefix="zip-", dir=_home()))
            try:
                return folder, _extract(path, archive, members, folder, job)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    except ReadError as error:
        return None, [Skipped(path, str(error))]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, UnicodeError) as error:
        return None, [Skipped(path, f"{path.name} is a damaged ZIP file ({_short(error)}).")]
    except OSError as error:
        return None, [Skipped(path, f"{path.name} cannot be unpacked: {error.strerror or error}.")]


@cache
def _home() -> Path:
    """Folder of this process for unpacked files, removed at its end."""
    home = Path(tempfile.mkdtemp(prefix="medviewer-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def _checked(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members worth unpacking after a look at what they claim."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ReadError(f"{path.name} holds {len(members):,} files, more than the {MAX_MEMBERS:,} allowed", path=path)
    names = {m.filename for m in members}
    if any(n in names for n in OFFICE):
        raise ReadError(f"{path.name} is a document or a program, not an archive of images", path=path)
    files = [m for m in members if not m.is_dir()]
    if files and all(m.flag_bits & 1 for m in files):
        raise ReadError(f"{path.name} needs a password; unpack it first", path=path)
    total, packed = sum(m.file_size for m in files), sum(m.compress_size for m in files)
    if total > MAX_TOTAL or packed > path.stat().st_size or (
            total > BOMB_SIZE and total > BOMB_RATIO * max(packed, 1)):
        raise ReadError(f"{path.name} claims to unfold {path.stat().st_size:,} bytes to {total:,}; it was not unpacked",
                        path=path)
    free = shutil.disk_usage(_home()).free
    if total > FREE_SHARE * free:
        raise ReadError(f"{path.name} unfolds to {total:,} bytes, but only {free:,} are free on the disk", path=path)
    return files


def _extract(path: Path, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path,
             job: Job) -> list[Skipped]:
    skipped = []
    for member in job.each(members, f"Unpacking {path.name}"):
        try:
            reason = _refusal(member) or _write(archive, member, folder, job)
        except WriteError:
            reason = "its name leads out of the archive"
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
            reason = f"it is damaged ({_short(error)})"
        if reason:
            skipped.append(Skipped(path / safe_name(Path(member.filename).name),
                                   f"{_shown(member.filename)} in {path.name} was left out: {reason}."))
    return skipped


def _refusal(member: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a link"
    if member.flag_bits & 1:
        return "it needs a password"
    if member.file_size > MAX_RATIO * max(member.compress_size, 1):
        return "it claims an impossible size"
    return ""


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, job: Job) -> str:
    """Write one member below `folder`; returns a reason if its contents are not what was declared."""
    safe_join(folder, member.filename)  # refuses names that lead out before they are cleaned
    parts = [safe_name(p) for p in member.filename.replace("\\", "/").split("/") if p not in ("", ".")]
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return "another file of the archive has the same name"
    with archive.open(member) as source, open(target, "xb") as file:
        left = member.file_size
        while chunk := source.read(CHUNK):
            job.check()
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left < 0:
        target.unlink()
        return "it is larger than declared"
    return ""


def _short(error: BaseException) -> str:
    return str(error).split("\n")[0][:80] or type(error).__name__


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[-100:]
