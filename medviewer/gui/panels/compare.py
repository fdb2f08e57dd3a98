"""The Alignment Inspector: choose two masks, see where they differ, go to the worst slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QSignalBlocker, Qt, QTimer
from PyQt6.QtWidgets import QComboBox, QFormLayout, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

from medviewer.app.inspector import COLOUR_A, COLOUR_B, COLOUR_BOTH, FLICKER_MS, MODES, Choice
from medviewer.gui.panels._parts import Later, Panel, Section, dim_label, swatch
from medviewer.gui.panels._strip import METRICS, Strip
from medviewer.gui.wheel import keep_wheel_out
from medviewer.ops.measure import number

if TYPE_CHECKING:
    from medviewer.app.session import Session

NOTHING = ("Open an image with a mask or a structure set. Two masks of any origin can be compared, or a structure set "
           "with the mask made of it.")
EVERYTHING = "All structures together"


class ComparePanel(Section):
    """Choices, numbers, ways of showing and the strip of slices."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Compare two masks", "panel-compare", parent=parent)
        self.session, self.inspector = session, session.inspector
        self._choices: list[Choice] = []
        self._compared: object = None
        self.empty = dim_label(NOTHING, "compare-empty")
        self.content.addWidget(self.empty)
        self.body = QWidget()
        self.content.addWidget(self.body)
        self._build()
        self._later = Later(self, self.refresh)
        for signal in (session.layers_changed, session.active_changed, session.focus_changed, self.inspector.changed):
            signal.connect(self._later.ask)
        self._flicker = QTimer(self, interval=FLICKER_MS)
        self._flicker.timeout.connect(self.inspector.flick)
        self.refresh()

    def _build(self) -> None:
        form = QFormLayout(self.body)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.a, self.b = _combo("compare-a"), _combo("compare-b")
        self.structure = _combo("compare-structure")
        self.mode = _combo("compare-mode")
        self.metric = _combo("compare-metric")
        for combo, items in ((self.mode, MODES.items()), (self.metric, METRICS.items())):
            for key, title in items:
                combo.addItem(title, key)
        self.run = QPushButton("Compare", objectName="compare-run")
        self.run.setProperty("primary", True)
        self.stop = QPushButton("Clear", objectName="compare-clear")
        self.mix = QSlider(Qt.Orientation.Horizontal, objectName="compare-mix", minimum=0, maximum=100, value=50)
        self.numbers = QLabel(objectName="compare-numbers", wordWrap=True)
        self.notes = dim_label("", "compare-notes")
        self.strip = Strip()
        self.worst = QPushButton("Next worst slice  (N)", objectName="compare-worst")
        buttons = QHBoxLayout()
        buttons.addWidget(self.run, 1)
        buttons.addWidget(self.stop)
        form.addRow(_tagged("A", COLOUR_A), self.a)
        form.addRow(_tagged("B", COLOUR_B), self.b)
        form.addRow(buttons)
        self._results = [self.structure, self.mode, self.mix, self.numbers, self.notes, self.metric, self.strip,
                         self.worst]
        form.addRow("Structure", self.structure)
        form.addRow("Show as", self.mode)
        form.addRow("", self.mix)
        self.legend = _legend()
        form.addRow(self.legend)
        form.addRow(self.numbers)
        form.addRow("Strip", self.metric)
        form.addRow(self.strip)
        form.addRow(self.worst)
        form.addRow(self.notes)
        self._form = form
        self.run.clicked.connect(self._start)
        self.stop.clicked.connect(self.inspector.clear)
        self.worst.clicked.connect(self.inspector.next_worst)
        self.strip.chosen.connect(self.inspector.go_to_slice)
        self.structure.activated.connect(lambda: self.inspector.set_key(self.structure.currentData()))
        self.mode.activated.connect(lambda: self.inspector.set_mode(self.mode.currentData()))
        self.metric.activated.connect(lambda: self.refresh())
        self.mix.valueChanged.connect(self._on_mix)

    # --- user to state ---

    def _start(self) -> None:
        a, b = self._choice(self.a), self._choice(self.b)
        if a is not None and b is not None:
            self.inspector.start(a, b)

    def _choice(self, combo: QComboBox) -> Choice | None:
        return next((c for c in self._choices if c.id == combo.currentData()), None)

    def _on_mix(self, value: int) -> None:
        if self.inspector.mode == "wipe":
            self.inspector.set_wipe(value / 100)
        else:
            self.inspector.set_blend(value / 100)

    # --- state to widgets ---

    def refresh(self) -> None:
        """Show the state of the inspector."""
        self._choices = self.inspector.choices()
        possible = len(self._choices) > 1
        self.empty.setVisible(not possible)
        self.body.setVisible(possible)
        self._fill_choices()
        result = self.inspector.result
        for widget in (*self._results, self.legend):
            self._form.setRowVisible(widget, result is not None)
        self.stop.setEnabled(result is not None)
        flickering = self.inspector.shown and self.inspector.mode == "flicker"
        if flickering != self._flicker.isActive():
            self._flicker.start() if flickering else self._flicker.stop()
        if result is not None:
            self._show_result()

    def _fill_choices(self) -> None:
        wanted = [(c.id, c.title) for c in self._choices]
        for n, combo in enumerate((self.a, self.b)):
            if [(combo.itemData(i), combo.itemText(i)) for i in range(combo.count())] == wanted:
                continue
            before = combo.currentData()
            with QSignalBlocker(combo):
                combo.clear()
                for key, title in wanted:
                    combo.addItem(title, key)
                place = combo.findData(before)
                combo.setCurrentIndex(place if place >= 0 else min(n, combo.count() - 1))
        if len(wanted) > 1 and self.a.currentData() == self.b.currentData() and self.inspector.result is None:
            with QSignalBlocker(self.b):  # two different things, unless somebody wants it otherwise
                self.b.setCurrentIndex((self.a.currentIndex() + 1) % len(wanted))

    def _show_result(self) -> None:
        inspector, result = self.inspector, self.inspector.result
        keys = [("", EVERYTHING), *result.keys] if len(result.keys) > 1 else list(result.keys)
        if [self.structure.itemData(n) for n in range(self.structure.count())] != [k for k, _ in keys]:
            with QSignalBlocker(self.structure):
                self.structure.clear()
                for key, title in keys:
                    self.structure.addItem(title or f"Label {key}", key)
        self._form.setRowVisible(self.structure, len(keys) > 1)
        self._form.setRowVisible(self.mix, inspector.mode in ("wipe", "blend"))
        with QSignalBlocker(self.a), QSignalBlocker(self.b):
            for combo, choice in ((self.a, result.a), (self.b, result.b)):
                if self._compared is not result and combo.findData(choice.id) >= 0:
                    combo.setCurrentIndex(combo.findData(choice.id))
        self._compared = result
        with QSignalBlocker(self.mix), QSignalBlocker(self.mode):
            self.mix.setValue(round(100 * (inspector.wipe if inspector.mode == "wipe" else inspector.blend)))
            self.mode.setCurrentIndex(self.mode.findData(inspector.mode))
        self.numbers.setText(self._numbers())
        self.notes.setText("\n".join(f"{r.problem} {r.fix}".strip() for r in inspector.facts()))
        self._form.setRowVisible(self.notes, bool(inspector.facts()))
        k = round(float(result.geometry.to_index(self.session.focus())[0]))
        self.strip.show_rows(inspector.strip(), self.metric.currentData(), k)

    def _numbers(self) -> str:
        result = self.inspector.result
        rows = [x for x in result.comparison.labels if self.inspector.key in ("", x.key)]
        if len(rows) == 1:
            x, g = rows[0], rows[0].agreement
            distances = "no distance: one of them is empty" if g.hd95_mm is None else \
                (f"HD95 {number(g.hd95_mm)} mm · mean distance {number(g.msd_mm)} mm · "
                 f"Hausdorff {number(g.hausdorff_mm)} mm")
            return (f"<b>Dice {g.dice:.4f}</b> · IoU {g.iou:.4f}<br>{distances}<br>"
                    f"A {number(x.volume_a_ml)} ml · B {number(x.volume_b_ml)} ml")
        worst = min(rows, key=lambda x: x.agreement.dice)
        mean = sum(x.agreement.dice for x in rows) / len(rows)
        return (f"<b>{len(rows)} structures</b>, mean Dice {mean:.4f}<br>worst: {worst.name or worst.key}, "
                f"Dice {worst.agreement.dice:.4f}")


def _combo(name: str) -> QComboBox:
    combo = QComboBox(objectName=name)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    keep_wheel_out(combo)
    return combo


def _tagged(text: str, colour: tuple[int, int, int]) -> QWidget:
    widget = QWidget()
    row = QHBoxLayout(widget)
    row.setContentsMargins(0, 0, 0, 0)
    mark = QLabel()
    mark.setPixmap(swatch(colour))
    row.addWidget(mark)
    row.addWidget(QLabel(text))
    return widget


def _legend() -> QWidget:
    widget = QWidget(objectName="compare-legend")
    grid = QGridLayout(widget)
    grid.setContentsMargins(0, 0, 0, 0)
    for n, (text, colour) in enumerate((("only A", COLOUR_A), ("only B", COLOUR_B), ("both", COLOUR_BOTH))):
        grid.addWidget(_tagged(text, colour), 0, n)
    return widget


PANEL = Panel("compare", "Compare two masks", "right", "check", 10, ComparePanel)
