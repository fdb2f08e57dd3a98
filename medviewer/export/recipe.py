"""What an export is to do, as a checked and described set of values that can be kept as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from medviewer.core.errors import ParamError, ReadError
from medviewer.core.params import Params

Rule = Literal["exact", "pixel-centre", "pillow"]
MAX_RECIPE_BYTES = 1 << 20


class Recipe(Params):
    """Everything that decides the content of an export; stands in its manifest.

    Paths may be left out: they are then looked for beside the sources (see `medviewer.export.sunnybrook`).
    """

    version: Literal[1] = 1
    layout: str = Field("npz-slices", title="Layout")
    link: Path | None = Field(None, title="Link table", description="CSV with patient_id,original_id.")
    images: Path | None = Field(None, title="Image folder", description="One folder of <n>.dcm per patient_id.")
    contours: Path | None = Field(None, title="Contour folder", description="One folder of texts per original_id.")
    rule: Rule = Field("exact", title="Rule", description="How contours become masks: area-true (exact), by pixel "
                       "centre, or as Pillow fills them without outline (pillow; to compare with older data sets).")
    contour: Literal["inner", "outer"] = Field("inner", title="Contour", description="Which becomes the target.")
    both_contours: bool = Field(False, title="Both contours", description="Write i_contour and o_contour, not target.")
    rois: tuple[str, ...] = Field((), title="Structures", description="Names to export; empty for all.")
    slices: Literal["annotated", "all"] = Field("annotated", title="Slices", description="Only slices with an "
                                                "annotation, or all of an annotated series, with an empty target.")
    overlays: bool = Field(False, title="Overlay pictures", description="Also write PNG pictures with the masks.")
    list_paths: Literal["relative", "as-given"] = Field(
        "relative", title="Paths in lists", description="Relative to the export folder, or beginning with it as given.")

    @field_validator("rois", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """Read a recipe from a YAML file; paths in it are relative to its folder. `changes` win over the file.

    Raises
    ------
    ReadError
        If the file cannot be read or is no YAML.
    ParamError
        If a value is unknown or out of range.
    """
    import yaml

    try:
        if path.stat().st_size > MAX_RECIPE_BYTES:
            raise ReadError(f"{path.name} is too large for a recipe", path=path)
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror}", path=path) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ReadError(f"{path.name} is not a YAML file", path=path) from error
    if not isinstance(data, dict):
        raise ReadError(f"{path.name} holds no recipe", path=path, hint="It must be a list of 'name: value' lines.")
    for name in ("link", "images", "contours"):
        if isinstance(data.get(name), str):
            data[name] = str(path.parent / data[name])
    return make_recipe(**{**data, **changes})


def make_recipe(**values: Any) -> Recipe:
    """Check values and make a recipe of them.

    Raises
    ------
    ParamError
        With one sentence that names the first wrong value.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise ParamError(f"the recipe value {name!r} is not possible: {first['msg']}") from error
