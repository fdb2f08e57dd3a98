"""What is remembered between runs: preferences, recent files, shortcuts. A versioned, checked JSON file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medviewer.core.errors import WriteError
from medviewer.core.files import atomic_write

log = logging.getLogger(__name__)
VERSION = 1
MAX_RECENTS = 12


class Settings(BaseModel):
    """Preferences with their ranges; forms and the settings file are made from this model."""

    model_config = ConfigDict(extra="ignore", validate_assignment=True)

    version: int = VERSION
    theme: Literal["dark", "light"] = Field("dark", title="Theme")
    left_button: Literal["window", "crosshair"] = Field("window", title="Left mouse button")
    neurological: bool = Field(False, title="Patient left on image left (neurological)")
    smooth: bool = Field(True, title="Smooth pixels")
    show_names: bool = Field(True, title="Show patient names in the views")
    head_feet_letters: bool = Field(True, title="Letters H/F instead of S/I")
    reverse_window_drag: bool = Field(False, title="Reverse the vertical window drag")
    recents: list[str] = Field(default_factory=list)
    shortcuts: dict[str, str] = Field(default_factory=dict)
    hints_seen: bool = False
    window_geometry: str = ""
    last_session: str = ""


def settings_path() -> Path:
    """Return where the settings are kept."""
    return user_config_path("medviewer", appauthor=False) / "settings.json"


def _migrate(data: dict[str, Any]) -> dict[str, Any]:
    """Bring the data of an older version up to date; one step per version."""
    if data.get("version", 0) < 1:  # before the first release the theme was a flag
        if "dark" in data:
            data["theme"] = "dark" if data.pop("dark") else "light"
        data["version"] = 1
    return data


class SettingsStore:
    """Loads and saves the settings; a damaged file is put aside and told, never a reason not to start."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or settings_path()
        self.values = self._load()

    def _load(self) -> Settings:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8") or "{}")
            return Settings.model_validate(_migrate(data if isinstance(data, dict) else {}))
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError, ValidationError) as error:
            log.warning("settings in %s are unreadable, starting with the defaults: %s", self.path, error)
            return Settings()

    def save(self) -> None:
        """Write the settings; a full or read-only disk is logged, not raised."""
        try:
            with atomic_write(self.path, "w", encoding="utf-8") as file:
                file.write(self.values.model_dump_json(indent=1))
        except WriteError as error:
            log.warning("settings were not saved: %s", error)

    def update(self, **changes: object) -> None:
        """Change some values and save."""
        for name, value in changes.items():
            setattr(self.values, name, value)
        self.save()

    def remember(self, path: Path) -> None:
        """Put a path first in the recent files."""
        text = str(path)
        self.update(recents=[text, *(r for r in self.values.recents if r != text)][:MAX_RECENTS])
