"""Pictures written without trying every filter."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from reelwright.ground import png


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 48), (1, 1, 3), (7, 5, 3), (64, 48, 3)])
def test_what_is_written_is_read_back_to_the_last_bit(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)

    with Image.open(io.BytesIO(png.encoded(pixels))) as read:
        read.load()
        assert (read.format, read.size) == ("PNG", (shape[1], shape[0]))
        assert np.array_equal(np.asarray(read), pixels)


def test_a_dithered_gradient_is_no_larger_than_by_pillow_and_always_the_same() -> None:
    """What offline pictures are made of: bands rounded up or down by noise of half a level."""
    rows, noise = np.linspace(30, 120, 400)[:, None], np.random.default_rng(5).random((400, 300))
    pixels = (rows + noise).astype(np.uint8)
    usual = io.BytesIO()
    Image.fromarray(pixels).save(usual, "PNG", compress_level=1)

    written = {png.encoded(part) for part in (pixels, pixels.copy(), np.asfortranarray(pixels))}

    assert [len(file) <= len(usual.getvalue()) for file in written] == [True]


def test_pictures_of_other_pixels_are_other_files() -> None:
    files = [png.encoded(np.full((8, 8), level, np.uint8)) for level in range(4)]
    assert all(one != other for one, other in pairwise(files))
