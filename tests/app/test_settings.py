"""Settings survive, old ones are brought up to date, damaged ones never stop the start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medviewer.app.settings import MAX_RECENTS, SettingsStore


def test_settings_survive(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "s.json")
    store.update(theme="light", neurological=True)
    assert SettingsStore(tmp_path / "s.json").values.theme == "light"
    assert SettingsStore(tmp_path / "s.json").values.neurological


def test_an_old_file_is_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"dark": False, "recents": ["/a"]}))
    values = SettingsStore(tmp_path / "s.json").values
    assert values.theme == "light"
    assert values.recents == ["/a"]


@pytest.mark.parametrize("text", ["{", "[]", '{"theme": "pink"}', "\x00"])
def test_a_damaged_file_gives_the_defaults(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    assert SettingsStore(tmp_path / "s.json").values.theme == "dark"


def test_recents_are_newest_first_and_limited(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "s.json")
    for n in range(20):
        store.remember(Path(f"/{n}"))
    store.remember(Path("/15"))
    assert store.values.recents[:2] == ["/15", "/19"]
    assert len(store.values.recents) == MAX_RECENTS


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    SettingsStore(tmp_path / "file" / "s.json").update(theme="light")
