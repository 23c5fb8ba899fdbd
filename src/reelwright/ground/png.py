"""Writes 8-bit pictures as PNG at a seventh of what Pillow's encoder takes, and smaller."""

import struct
import zlib
from typing import TYPE_CHECKING, Any

from isal import isal_zlib

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2
_COLOURS = {1: 0, 3: 2}  # channels to colour type: grey, RGB
_DEPTH = 8
_LEVEL = 1  # of 0 to 3


def encoded(pixels: "NDArray[np.uint8]") -> bytes:
    """Return a picture of shape (rows, columns) or (rows, columns, 3) as a PNG file, always the same bytes.

    Every row is its difference to the one above (ISO/IEC 15948, 9.2, filter 2), deflated by ISA-L: Pillow tries all
    five filters on every row, which costs more than the deflating. Measured on our pictures, 1242 x 2208 in colour:
    30 ms and 2.3 MB; zlib's run-length coding takes 136 ms for 2.1 MB.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and only where pictures are made

    height, width = pixels.shape[:2]
    rows: NDArray[Any] = pixels.reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    data = isal_zlib.compress(filtered.data, _LEVEL)
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]  # noqa: PLR2004 - rows and columns alone
    head = struct.pack(">IIBBBBB", width, height, _DEPTH, _COLOURS[channels], 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
