"""Opening, layers, restoring: the session without a window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import nibabel
import numpy as np
import pytest

from medviewer.app import session_file
from medviewer.app.layers import ImageLayer
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.app.views import LAYOUTS
from medviewer.core.annotations import Annotation
from medviewer.core.errors import MedviewerError, ReadError
from medviewer.core.volume import Window


class Loop:
    """A main thread for tests: posted calls wait until they are run here."""

    def __init__(self) -> None:
        self.calls: Queue[Callable[[], None]] = Queue()

    def post(self, call: Callable[[], None]) -> None:
        self.calls.put(call)

    def until(self, reached: Callable[[], bool], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, "it did not happen in time"
            try:
                self.calls.get(timeout=0.02)()
            except Empty:
                continue


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def session(loop: Loop, tmp_path: Path) -> Iterator[Session]:
    made = Session(loop.post, SettingsStore(tmp_path / "settings.json"))
    yield made
    made.close()


def write(path: Path, shape: tuple[int, int, int], *, labels: bool = False) -> Path:
    values = np.arange(np.prod(shape)).reshape(shape) % (3 if labels else 500)
    image = nibabel.Nifti1Image(values.astype(np.uint8 if labels else np.int16), np.diag([1.0, 1.5, 2.0, 1.0]))
    nibabel.save(image, path)
    return path


def test_a_folder_opens_with_the_largest_image_and_its_mask(session: Session, loop: Loop, tmp_path: Path) -> None:
    write(tmp_path / "small.nii.gz", (8, 9, 6))
    write(tmp_path / "large.nii.gz", (12, 11, 10))
    write(tmp_path / "seg_large.nii.gz", (12, 11, 10), labels=True)
    session.open_paths([tmp_path])
    loop.until(lambda: bool(session.labels()) and not session.jobs.running)
    assert session.active is not None
    assert session.active.name == "large"
    assert session.active.loading.complete
    assert [x.labels.geometry.shape for x in session.labels()] == [(10, 11, 12)]


def test_a_second_drop_replaces_the_picture_but_not_the_list(session: Session, loop: Loop, tmp_path: Path) -> None:
    first, second = write(tmp_path / "one.nii", (5, 6, 7)), write(tmp_path / "two.nii", (6, 6, 7))
    session.open_paths([first])
    loop.until(lambda: session.active is not None and not session.jobs.running)
    session.open_paths([second])
    loop.until(lambda: session.active is not None and session.active.name == "two" and not session.jobs.running)
    assert len(session.images()) == 1
    assert len(session.series) == 2
    assert session.settings.values.recents == [str(second), str(first)]


def test_nothing_readable_is_told_in_a_sentence(session: Session, loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "x.nii").write_bytes(b"rubbish")
    errors: list[MedviewerError] = []
    session.problem.connect(errors.append)
    session.open_paths([tmp_path / "x.nii"])
    loop.until(lambda: bool(errors))
    assert isinstance(errors[0], ReadError)
    assert "x.nii" in str(errors[0])
    assert session.active is None


def test_layouts_for_several_images_open_them(session: Session, loop: Loop, tmp_path: Path) -> None:
    for name in "abcd":
        write(tmp_path / f"{name}.nii.gz", (8, 8, 8))
    session.set_layout(LAYOUTS["four-images"])
    session.open_paths([tmp_path])
    loop.until(lambda: len(session.images()) == 4 and not session.jobs.running)
    assert len({v.layer for v in session.views}) == 4
    assert None not in {v.layer for v in session.views}


def test_a_session_comes_back(session: Session, loop: Loop, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write(data / "image.nii.gz", (12, 11, 10))
    write(data / "seg.nii.gz", (12, 11, 10), labels=True)
    session.open_paths([data])
    loop.until(lambda: bool(session.labels()) and not session.jobs.running)
    assert session.active is not None
    session.set_layout(LAYOUTS["1x3"])
    session.active.set_window(Window(123, 77))
    session.set_focus(session.active.volume.geometry.to_lps((3, 4, 5)))
    session.views[1].set_slab(7.5)
    session.labels()[0].set_opacity(0.2)
    session.annotations.add(Annotation(kind="length", points_lps=((0, 0, 0), (3, 4, 0))))
    session_file.save(session, tmp_path / "s.json")

    other = Session(loop.post, SettingsStore(tmp_path / "other.json"))
    try:
        session_file.Restorer(other, session_file.load(tmp_path / "s.json")).start()
        loop.until(lambda: bool(other.labels()) and not other.jobs.running)
        assert isinstance(other.active, ImageLayer)
        assert (other.active.window.centre, other.active.window.width) == (123, 77)
        np.testing.assert_allclose(other.focus(), session.focus())
        assert other.layout.id == "1x3"
        assert other.views[1].slab_mm == 7.5
        assert other.labels()[0].opacity == 0.2
        assert other.annotations.items == session.annotations.items
    finally:
        other.close()


@pytest.mark.parametrize("text", ["", "{}x", '{"layers": 3}', '{"annotations": [{"kind": "scribble"}]}'])
def test_a_file_that_is_no_session_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(ReadError, match=r"s\.json"):
        session_file.load(tmp_path / "s.json")


def test_a_load_can_be_cancelled(session: Session, loop: Loop, tmp_path: Path,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    from medviewer.io import access
    from medviewer.io.base import Loaded

    started: list[bool] = []

    class Endless(Loaded):
        def load(self, job: object = None, **_: object) -> None:  # type: ignore[override]
            started.append(True)
            while True:
                job.check()  # type: ignore[attr-defined]
                time.sleep(0.01)

    write(tmp_path / "a.nii", (8, 8, 8))
    volume = access.read(tmp_path / "a.nii")
    monkeypatch.setattr(access, "open_series", lambda series, job=None: Endless(volume))
    messages: list[str] = []
    session.message.connect(messages.append)
    session.open_paths([tmp_path / "a.nii"])
    loop.until(lambda: bool(started) and session.active is not None)
    before = time.monotonic()
    session.jobs.cancel(("load", session.active.series.id))  # type: ignore[union-attr]
    loop.until(lambda: any("cancelled" in m for m in messages), 2)
    assert time.monotonic() - before < 1
