import numpy as np

from synthgen.datasets.digits import Digits, Reading
from synthgen.datasets.framing import FramingSettings
from synthgen.datasets.preview import CELL, draw_before_and_after


def test_two_rows_a_class_show_pictures_before_and_after() -> None:
    images = np.full((6, 40, 20, 1), 255, np.uint8)
    images[:, 10:30, 8:12] = 0
    reading = Reading(Digits(images, np.array([0, 0, 0, 1, 1, 1], np.uint8), ("a", "b")), None)
    sheet, framing = draw_before_and_after(reading, FramingSettings(shape=(28, 28, 1)))
    assert sheet.shape == (2 + 4 * (CELL + 2), 2 + 10 * (CELL + 2), 3)
    before = sheet[2 : 2 + CELL, 2 : 2 + CELL]
    after = sheet[4 + CELL : 4 + 2 * CELL, 2 : 2 + CELL]
    assert before[0, 0].tolist() == [255] * 3  # dark on light, as it was
    assert before[28, 14].tolist() == [0] * 3
    assert after[0, 0].tolist() == [0] * 3  # light on dark, as a generator draws
    assert after[28, 28].tolist() == [255] * 3
    assert sheet[2, 2 + 3 * (CELL + 2)].tolist() == [0] * 3  # a class of three images
    assert (framing.fit, framing.polarity) == ("mnist", "dark-on-light")
