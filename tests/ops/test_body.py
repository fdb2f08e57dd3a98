"""The body is told from the table and the air around it."""

import numpy as np

from medviewer.ops.body import HIDDEN_HU, hide_outside_body


def test_hiding_the_surroundings_keeps_the_lungs_only():
    values = np.full((8, 80, 100), -1000, np.int16)
    values[:, 10:60, 10:90] = 40  # body
    values[:, 20:50, 20:45] = -850  # a lung
    values[:, 70:73, 5:95] = 100  # table
    shown = hide_outside_body(values, 2.0)
    assert (shown[:, 22:48, 22:43] == -850).all()
    assert (shown[:, 65:, :] == HIDDEN_HU).all()
    assert (shown[:, :9, :] == HIDDEN_HU).all()
    assert values[0, 0, 0] == -1000  # the input is not changed
