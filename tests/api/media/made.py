"""Files as people and attackers send them, made here: pictures by Pillow, recordings by our ffmpeg, once a run."""

import functools
import io
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from worker.ffmpeg import program

SECRET = "taken at 48.2082N 16.3738E"
SEEN = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=1")
HEARD = ("-f", "lavfi", "-i", "sine=440:d=1")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@functools.cache
def recorded(*arguments: str, name: str, base: str | None = None) -> bytes:
    """What ffmpeg makes of the arguments, under a name that says the container; from another recording, if named."""
    with tempfile.TemporaryDirectory() as folder:
        out, given = Path(folder) / name, []
        if base is not None:
            source = Path(folder) / ("base" + Path(base).suffix)
            source.write_bytes(RECORDINGS[base]())
            given = ["-i", str(source)]
        subprocess.run([program(), "-v", "error", *given, *arguments, str(out)], check=True)
        return out.read_bytes()


RECORDINGS: dict[str, Callable[[], bytes]] = {
    "video.mp4": lambda: recorded(*SEEN, *HEARD, *H264, "-metadata", f"comment={SECRET}", name="video.mp4"),
    "video.webm": lambda: recorded(*SEEN, "-c:v", "libvpx", name="video.webm"),
    "sound.mp3": lambda: recorded(*HEARD, name="sound.mp3"),
    "sound.wav": lambda: recorded(*HEARD, name="sound.wav"),
    "sound.flac": lambda: recorded(*HEARD, name="sound.flac"),
    "sound.m4a": lambda: recorded(*HEARD, "-c:a", "aac", name="sound.m4a"),
    "sound.ogg": lambda: recorded(*HEARD, "-c:a", "libopus", name="sound.ogg"),
}


@functools.cache
def picture(form: str, *, size: tuple[int, int] = (40, 30), mode: str = "RGB", turned: bool = False) -> bytes:
    """A picture with a red left half, and a secret in its tags; `turned` says so in its EXIF (orientation 6)."""
    image = Image.new(mode, size)
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    tags = Image.Exif()
    tags[0x010E] = SECRET
    if turned:
        tags[0x0112] = 6
    out = io.BytesIO()
    more = {"pnginfo": _text()} if form == "PNG" else {}
    image.save(out, form, **({} if form == "GIF" else {"exif": tags.tobytes()}), **more)
    return out.getvalue()


def _text() -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", SECRET)
    return info


def png_bomb(side: int, *, rows: int) -> bytes:
    """A PNG of so many pixels a side in a few kilobytes: one bit a pixel, all of them black, so many rows there."""
    row = b"\0" * (1 + side // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*c) for c in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def moving(form: str, *, frames: int) -> bytes:
    """A picture of so many frames."""
    images = [Image.new("L", (8, 8), frame * 97 % 256) for frame in range(frames)]
    out = io.BytesIO()
    images[0].save(out, form, save_all=True, append_images=images[1:])
    return out.getvalue()
