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


def test_a_lung_cut_off_by_the_edge_of_the_picture_stays():
    values = np.full((8, 80, 100), -1000, np.int16)
    values[:, 10:70, 30:] = 40  # the body goes on beyond the right edge
    values[:, 25:55, 60:] = -850  # and so does a lung
    shown = hide_outside_body(values, 2.0)
    assert (shown[:, 28:52, 62:] == -850).all()
    assert (shown[:, :, :28] == HIDDEN_HU).all()
