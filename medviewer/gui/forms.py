"""Forms made from pydantic models: every described field becomes a control, with its range, unit and help."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QPalette
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from medviewer.gui.wheel import keep_wheel_out

OnChange = Callable[[dict[str, Any]], None]
BIG = 2**31 - 1


class Field(QWidget):
    """One control; `changed` tells of a new value."""

    changed = pyqtSignal()

    def __init__(self, value: Callable[[], Any], show: Callable[[Any], None], *parts: QWidget) -> None:
        super().__init__()
        self.value, self.show_value = value, show
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        for n, part in enumerate(parts):
            keep_wheel_out(part)
            line.addWidget(part, 1 if n == 0 else 0)


class Form(QWidget):
    """Controls for the fields of a model; says what is wrong with a value instead of accepting it."""

    changed = pyqtSignal(dict)

    def __init__(self, model: type[BaseModel], values: Mapping[str, Any] | BaseModel | None = None, *,
                 only: Iterable[str] | None = None, choices: Mapping[str, Mapping[str, str]] | None = None) -> None:
        super().__init__(objectName=f"form-{model.__name__.lower()}")
        self._model = model
        self._base = _as_dict(model, values)
        self.fields: dict[str, Field] = {}
        self.problem = QLabel(objectName="warning", wordWrap=True, visible=False)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        wanted = list(only) if only is not None else [n for n, f in model.model_fields.items() if f.title]
        for name in wanted:
            info = model.model_fields[name]
            field = make_field(name, info, (choices or {}).get(name))
            if field is None:
                continue
            self.fields[name] = field
            field.show_value(self._base.get(name))
            field.changed.connect(self._on_changed)
            self._add(grid, info, name, field)
        grid.addWidget(self.problem, grid.rowCount(), 0, 1, 2)

    def values(self) -> dict[str, Any]:
        """Return all values, those without a control as given."""
        return {**self._base, **{name: field.value() for name, field in self.fields.items()}}

    def result(self) -> BaseModel | None:
        """Return the checked model, or None while a value is not possible."""
        try:
            return self._model.model_validate(self.values())
        except ValidationError as error:
            self._tell(error)
            return None

    def show_values(self, values: Mapping[str, Any] | BaseModel) -> None:
        """Show other values, without a signal."""
        self._base = _as_dict(self._model, values)
        for name, field in self.fields.items():
            field.blockSignals(True)
            field.show_value(self._base.get(name))
            field.blockSignals(False)

    def _add(self, grid: QGridLayout, info: FieldInfo, name: str, field: Field) -> None:
        row = grid.rowCount()
        title = info.title or name.replace("_", " ").capitalize()
        tip = info.description or ""
        field.setToolTip(tip)
        if isinstance(field.layout().itemAt(0).widget(), QCheckBox):
            field.layout().itemAt(0).widget().setText(title)
            grid.addWidget(field, row, 0, 1, 2)
            return
        label = QLabel(title, toolTip=tip)
        label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        grid.addWidget(label, row, 0)
        grid.addWidget(field, row, 1)

    def _on_changed(self) -> None:
        self.problem.hide()
        if self.result() is not None:
            self.changed.emit(self.values())

    def _tell(self, error: ValidationError) -> None:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        info = self._model.model_fields.get(name)
        title = (info.title if info is not None else None) or name
        self.problem.setText(f"{title}: {first['msg'][:1].lower()}{first['msg'][1:]}")
        self.problem.show()


def form_for(model: type[BaseModel], values: Mapping[str, Any] | BaseModel | None = None,
             on_change: OnChange | None = None, *, only: Iterable[str] | None = None,
             choices: Mapping[str, Mapping[str, str]] | None = None) -> Form:
    """Make a form.

    Parameters
    ----------
    model : class of a pydantic model
        Fields with a title get a control.
    values : mapping or model, optional
        What is shown; the defaults otherwise.
    on_change : callable, optional
        Called with all values after every change to a possible value.
    only : names, optional
        Fields to show, in this order.
    choices : mapping, optional
        For text fields: a fixed list of {value: label}.
    """
    form = Form(model, values, only=only, choices=choices)
    if on_change is not None:
        form.changed.connect(on_change)
    return form


def make_field(name: str, info: FieldInfo, choices: Mapping[str, str] | None = None) -> Field | None:
    """Make the control of one field, or None where its type has none."""
    kind, optional = _plain_type(info.annotation)
    object_name = f"field-{name}"
    if choices is not None:
        return _choice(object_name, dict(choices))
    if get_origin(kind) is Literal:
        return _choice(object_name, {v: str(v).replace("-", " ").capitalize() for v in get_args(kind)})
    if kind is bool:
        return _check(object_name)
    if kind in (int, float):
        return _number(object_name, info, whole=kind is int)
    if kind is Path:
        folder = "folder" in (info.title or name).lower()
        return _path(object_name, optional=optional, folder=folder)
    if kind is str:
        return _text(object_name)
    if get_origin(kind) in (list, tuple) and get_args(kind)[0] is str:
        return _list(object_name, tuple if get_origin(kind) is tuple else list)
    return None


def _plain_type(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def _as_dict(model: type[BaseModel], values: Mapping[str, Any] | BaseModel | None) -> dict[str, Any]:
    optional = {n: f for n, f in model.model_fields.items() if not f.is_required()}
    defaults = {n: f.get_default(call_default_factory=True) for n, f in optional.items()}
    given = values.model_dump() if isinstance(values, BaseModel) else dict(values or {})
    return {**defaults, **given}


def _check(object_name: str) -> Field:
    box = QCheckBox(objectName=object_name)
    field = Field(box.isChecked, lambda v: box.setChecked(bool(v)), box)
    box.toggled.connect(field.changed)
    return field


def _choice(object_name: str, choices: Mapping[Any, str]) -> Field:
    combo = QComboBox(objectName=object_name)
    combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    for value, label in choices.items():
        combo.addItem(label, value)
    field = Field(combo.currentData, lambda v: combo.setCurrentIndex(max(combo.findData(v), 0)), combo)
    combo.currentIndexChanged.connect(field.changed)
    return field


def _number(object_name: str, info: FieldInfo, *, whole: bool) -> Field:
    spin = (QSpinBox if whole else QDoubleSpinBox)(objectName=object_name, keyboardTracking=False)
    low, high = _range(info, whole)
    if not whole:
        spin.setDecimals(3 if high - low < 10 else 2)
    spin.setRange(low, high)
    spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    spin.setStepType(spin.StepType.AdaptiveDecimalStepType)
    extra = info.json_schema_extra
    unit = extra.get("unit", "") if isinstance(extra, dict) else ""
    spin.setSuffix(f" {unit}" if unit else "")
    field = Field(spin.value, lambda v: spin.setValue(v if v is not None else low), spin)
    spin.valueChanged.connect(field.changed)
    return field


def _range(info: FieldInfo, whole: bool) -> tuple[Any, Any]:
    low, high = (-BIG, BIG) if whole else (-1e9, 1e9)
    step = 1 if whole else 1e-3
    for rule in info.metadata:
        low = rule.ge if isinstance(rule, Ge) else rule.gt + step if isinstance(rule, Gt) else low
        high = rule.le if isinstance(rule, Le) else rule.lt - step if isinstance(rule, Lt) else high
    return (int(low), int(high)) if whole else (float(low), float(high))


def _text(object_name: str) -> Field:
    line = QLineEdit(objectName=object_name)
    field = Field(line.text, lambda v: line.setText(str(v or "")), line)
    line.editingFinished.connect(field.changed)
    return field


def _list(object_name: str, kind: type) -> Field:
    line = QLineEdit(objectName=object_name, placeholderText="all, or names with commas")
    field = Field(lambda: kind(x.strip() for x in line.text().split(",") if x.strip()),
                  lambda v: line.setText(", ".join(v or ())), line)
    line.editingFinished.connect(field.changed)
    return field


def _path(object_name: str, *, optional: bool, folder: bool) -> Field:
    line = QLineEdit(objectName=object_name, placeholderText="automatic" if optional else "")
    line.setClearButtonEnabled(optional)
    button = QToolButton(objectName=f"{object_name}-browse", text="…")
    button.setToolTip("Choose a folder" if folder else "Choose a file")
    field = Field(lambda: Path(line.text()) if line.text() else None if optional else Path(),
                  lambda v: line.setText(str(v) if v else ""), line, button)

    def browse() -> None:
        found = QFileDialog.getExistingDirectory(field, "Choose a folder", line.text()) if folder else \
            QFileDialog.getOpenFileName(field, "Choose a file", line.text())[0]
        if found:
            line.setText(found)
            field.changed.emit()

    button.clicked.connect(browse)
    line.editingFinished.connect(field.changed)
    return field
