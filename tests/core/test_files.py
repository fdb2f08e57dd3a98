"""Files are written whole or not at all, and names stay in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from medviewer.core.errors import WriteError
from medviewer.core.files import atomic_path, atomic_write, safe_join, safe_name


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(target) as file:  # noqa: PT012
        file.write(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_finished_write_replaces_it(tmp_path: Path) -> None:
    target = tmp_path / "sub" / "a.nii.gz"
    with atomic_path(target) as temporary:
        assert temporary.name.endswith(".nii.gz")
        assert not target.exists()
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_the_order_is_write_flush_rename_flush_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    calls: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), real_fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), real_replace(a, b))[1])
    with atomic_write(tmp_path / "x", "w") as file:
        file.write("text")
    assert calls.index("fsync") < calls.index("rename") < len(calls) - 1 - calls[::-1].index("fsync")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError, match="cannot be written"), atomic_write(tmp_path / "file" / "y") as file:
        file.write(b"")


@pytest.mark.parametrize("parts", [("..", "x"), ("/etc/passwd",), ("a/../../b",), ("C:\\x",), ("a\\..\\..\\b",),
                                   ("x\x00y",)])
def test_names_that_lead_out_are_refused(tmp_path: Path, parts: tuple[str, ...]) -> None:
    with pytest.raises((WriteError, ValueError)):
        safe_join(tmp_path, *parts)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    with pytest.raises(WriteError):
        safe_join(inside, "link", "x")


@pytest.mark.parametrize(("text", "name"), [("CON", "unnamed_CON"), ("a/b:c", "a_b_c"), ("", "unnamed"),
                                            ("..", "unnamed"), ("Ünal^Ärzte", "Ünal^Ärzte")])
def test_safe_name(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_long_names_are_cut_by_bytes() -> None:
    assert len(safe_name("é" * 300).encode()) <= 120
