"""Forms from models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field, field_validator
from PyQt6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from medviewer.app.settings import Settings
from medviewer.export.recipe import Recipe
from medviewer.gui.forms import form_for

pytestmark = pytest.mark.gui


class Model(BaseModel):
    radius_mm: float = Field(5.0, ge=0.5, le=100.0, title="Radius", json_schema_extra={"unit": "mm"})
    count: int = Field(3, gt=0, lt=10, title="Count", description="How many")
    on: bool = Field(True, title="On")
    mode: Literal["fast-one", "slow"] = Field("slow", title="Mode")
    name: str = Field("x", title="Name")
    names: tuple[str, ...] = Field((), title="Names")
    folder: Path | None = Field(None, title="Folder")
    hidden: int = 7

    @field_validator("name")
    @classmethod
    def _no_spaces(cls, value: str) -> str:
        if " " in value:
            raise ValueError("no spaces please")
        return value


@pytest.fixture
def form(qtbot):  # noqa: ANN001, ANN201
    made = form_for(Model, {"count": 4})
    qtbot.addWidget(made)
    made.show()
    return made


def test_controls_have_value_range_unit_and_help(form) -> None:  # noqa: ANN001
    radius, count = form.findChild(QDoubleSpinBox, "field-radius_mm"), form.findChild(QSpinBox, "field-count")
    assert (radius.minimum(), radius.maximum(), radius.value(), radius.suffix()) == (0.5, 100.0, 5.0, " mm")
    assert (count.minimum(), count.maximum(), count.value()) == (1, 9, 4)
    assert form.fields["count"].toolTip() == "How many"
    assert "hidden" not in form.fields
    assert form.values()["hidden"] == 7


def test_changes_are_told_with_all_values(form, qtbot) -> None:  # noqa: ANN001
    told: list[dict] = []
    form.changed.connect(told.append)
    form.findChild(QSpinBox, "field-count").setValue(8)
    form.findChild(QCheckBox, "field-on").click()
    combo = form.findChild(QComboBox, "field-mode")
    combo.setCurrentIndex(combo.findData("fast-one"))
    line = form.findChild(QLineEdit, "field-names")
    line.setText("left lung,  right lung ,")
    line.editingFinished.emit()
    path = form.findChild(QLineEdit, "field-folder")
    path.setText("/data/x")
    path.editingFinished.emit()
    last = told[-1]
    assert (last["count"], last["on"], last["mode"]) == (8, False, "fast-one")
    assert last["names"] == ("left lung", "right lung")
    assert last["folder"] == Path("/data/x")
    assert Model.model_validate(last).hidden == 7


def test_impossible_value_is_explained_and_not_told(form) -> None:  # noqa: ANN001
    told: list[dict] = []
    form.changed.connect(told.append)
    line = form.findChild(QLineEdit, "field-name")
    line.setText("a b")
    line.editingFinished.emit()
    assert told == []
    assert form.problem.isVisible()
    assert "no spaces please" in form.problem.text()
    line.setText("ab")
    line.editingFinished.emit()
    assert told[-1]["name"] == "ab"
    assert not form.problem.isVisible()


def test_fixed_choices_for_a_text(qtbot) -> None:  # noqa: ANN001
    form = form_for(Model, only=("name",), choices={"name": {"x": "The x", "y": "The y"}})
    qtbot.addWidget(form)
    combo = form.findChild(QComboBox, "field-name")
    assert [combo.itemText(n) for n in range(combo.count())] == ["The x", "The y"]
    assert list(form.fields) == ["name"]


@pytest.mark.parametrize("model", [Settings, Recipe])
def test_every_described_field_has_a_control(model: type[BaseModel], qtbot) -> None:  # noqa: ANN001
    form = form_for(model)
    qtbot.addWidget(form)
    assert set(form.fields) == {n for n, f in model.model_fields.items() if f.title}
    assert model.model_validate(form.values()) == model()
    assert all(b.text() for b in form.findChildren(QCheckBox))
