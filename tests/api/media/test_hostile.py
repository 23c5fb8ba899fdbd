"""POST /v1/media in hostile hands: S50 bombs, S92 lies about an upload, S93 disguises, S101 monstrous recordings."""

import struct
import zipfile
from collections.abc import Callable
from io import BytesIO

import httpx
import pytest
from sqlalchemy import text

from reelwright.api.receiving import safe_name
from reelwright.ground.postgres import Database
from tests.api.media.made import H264, HEARD, RECORDINGS, SEEN, moving, picture, png_bomb, recorded

HLS = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
DASH = b'<?xml version="1.0"?><MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>'
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def zipped() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1 << 20))
    return out.getvalue()


def huge_tag() -> bytes:
    """An MP3 whose ID3 tag says it has 50 MB, four times seven bits of it."""
    size = 50_000_000
    return b"ID3\x04\0\0" + bytes((size >> 7 * at) & 0x7F for at in (3, 2, 1, 0)) + RECORDINGS["sound.mp3"]()


def four_gigabytes() -> bytes:
    """A WAV whose chunks say they have all that 32 bits can say."""
    wav = bytearray(RECORDINGS["sound.wav"]())
    at = wav.index(b"data") + 4
    wav[4:8] = wav[at : at + 4] = struct.pack("<I", 0xFFFFFFF0)
    return bytes(wav)


def referring() -> bytes:
    """An MP4 whose pictures lie in another file: a Macintosh alias in its data reference names /etc/passwd."""
    mp4 = bytearray(RECORDINGS["video.mp4"]())
    path = b"disk:etc:passwd\0"
    alias = bytes(10) + b"\x04disk".ljust(28, b"\0") + bytes(12) + b"\x06passwd".ljust(64, b"\0") + bytes(16 + 4 + 16)
    alias += struct.pack(">HH", 2, len(path)) + path + b"\xff\xff\0\0"
    entry = struct.pack(">I", 12 + len(alias)) + b"alis" + bytes(4) + alias
    own = mp4.index(b"\0\0\0\x0curl \0\0\0\x01")
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = mp4.rindex(box, 0, own) - 4
        mp4[at : at + 4] = struct.pack(">I", int.from_bytes(mp4[at : at + 4], "big") + len(entry) - 12)
    return bytes(mp4[:own] + entry + mp4[own + 12 :])


def half(name: str) -> bytes:
    whole = recorded("-c", "copy", "-movflags", "+faststart", name="fast.mp4", base=name)
    return whole[: len(whole) // 2]


S50: dict[str, Callable[[], bytes]] = {
    "30,000 pixels a side": lambda: png_bomb(30_000, rows=1_000),
    "50 megapixels": lambda: png_bomb(7_200, rows=7_200),
    "a GIF of 100 frames": lambda: moving("GIF", frames=100),
    "a moving PNG": lambda: moving("PNG", frames=3),
    "a moving WebP": lambda: moving("WEBP", frames=3),
    "a TIFF": lambda: b"II*\0" + bytes(64),
}
S93: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "one byte": lambda: b"\xff",
    "a program": lambda: b"\x7fELF\x02\x01\x01" + bytes(64),
    "a Windows program": lambda: b"MZ\x90\0" + bytes(64),
    "a page": lambda: b"<!doctype html><script>alert(1)</script>",
    "an SVG": lambda: SVG,
    "an SVG behind a PNG's signature": lambda: b"\x89PNG\r\n\x1a\n" + SVG,
    "a zip": zipped,
    "HLS": lambda: HLS,
    "DASH": lambda: DASH,
    "ffconcat": lambda: b"ffconcat version 1.0\nfile /etc/passwd\n",
    "HLS behind an MP4's signature": lambda: b"\0\0\0\x18ftypmp42" + HLS,
    "ffconcat behind an ID3 tag": lambda: b"ID3\x04\0\0\0\0\0\0ffconcat version 1.0\nfile /etc/passwd\n",
    "50 MB of tags": huge_tag,
    "4 GB of sound": four_gigabytes,
    "an AVI": lambda: recorded(*SEEN, "-c:v", "mpeg4", name="old.avi"),
    "a JPEG that ends too soon": lambda: picture("JPEG", size=(400, 300))[:-400],
    "a PNG that ends too soon": lambda: picture("PNG", size=(400, 300))[:-100],
}
FIVE = [part for at in range(5) for part in ("-map", str(at))]
S101: dict[str, Callable[[], bytes]] = {
    "samples in another file": referring,
    "five sounds": lambda: recorded(*HEARD * 5, *FIVE, "-c:a", "aac", name="five.m4a"),
    "200 pictures a second": lambda: recorded("-f", "lavfi", "-i", "testsrc=s=64x48:r=200:d=1", *H264, name="fast.mp4"),
    "5,000 pixels wide": lambda: recorded("-f", "lavfi", "-i", "color=s=5000x32:r=5:d=1", *H264, name="wide.mp4"),
    "eleven minutes": lambda: recorded("-f", "lavfi", "-i", "color=s=32x32:r=1:d=660", *H264, name="long.mp4"),
    "the first half": lambda: half("video.mp4"),
    "a moov of noise": lambda: RECORDINGS["video.mp4"]().replace(b"stco", b"\xff" * 4),
    "an attachment": lambda: recorded(
        *("-c", "copy", "-attach", __file__, "-metadata:s:t", "mimetype=text/plain"), name="a.mkv", base="video.mp4"
    ),
}
CASES = [
    (number, name, make)
    for number, cases in (("S50", S50), ("S93", S93), ("S101", S101))
    for name, make in cases.items()
]


@pytest.mark.parametrize(("number", "name", "make"), CASES, ids=[f"{number}-{name}" for number, name, _ in CASES])
async def test_what_is_not_what_we_take_is_refused_and_leaves_nothing(
    number: str, name: str, make: Callable[[], bytes], api: httpx.AsyncClient, db: Database
) -> None:
    answer = await api.post("/v1/media", files={"file": ("innocent.png", make(), "image/png")})
    assert (answer.status_code, answer.json()["field"]) == (400, "file"), answer.text
    assert "passwd" not in answer.text
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT (SELECT count(*) FROM media) + (SELECT count(*) FROM loose_files)")) == 0


@pytest.mark.parametrize(
    ("size", "make"),
    [
        ("1 × 20000", lambda: picture("PNG", size=(1, 20_000))),
        ("7200 × 7200", lambda: png_bomb(7_200, rows=7_200)),
        ("9000 × 9000", lambda: png_bomb(9_000, rows=9_000)),
        ("30000 × 30000", lambda: png_bomb(30_000, rows=1_000)),
    ],
)
async def test_s50_what_is_too_large_is_told_its_size_and_both_limits(
    size: str, make: Callable[[], bytes], api: httpx.AsyncClient
) -> None:
    answer = await api.post("/v1/media", files={"file": ("large.png", make(), "image/png")})
    told = f"The picture is {size}: send one of at most 40 million pixels, and of at most 16,384 a side."
    assert (answer.status_code, answer.json()["detail"]) == (400, told)


async def test_s93_nothing_of_a_polyglot_but_the_picture_is_kept(api: httpx.AsyncClient) -> None:
    tail = b"/*" + SVG + b"*/=1;alert(1)//" + zipped()
    polyglot = picture("GIF").replace(b"GIF87a", b"GIF89a") + tail
    made = (await api.post("/v1/media", content=polyglot, headers={"Content-Type": "image/gif"})).json()
    link = (await api.get(f"/v1/media/{made['id']}/url")).json()["url"].replace("http://127.0.0.1:8000", "")
    served = await api.get(link)
    assert (served.status_code, served.headers["content-type"]) == (200, "image/png")
    assert b"alert" not in served.content
    assert b"PK" not in served.content


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd\u202egnp.exe", "passwd gnp"),
        ('a"b\r\nSet-Cookie: x=1.png', "a'b Set-Cookie: x=1"),
        ("C:\\secret\\reel.final.mp4", "reel.final"),
        ("...", "upload"),
        (None, "upload"),
        ("\ud800\x00.png", "upload"),
        ("x" * 500, "x" * 100),
    ],
)
def test_s92_a_name_is_only_a_name(given: str | None, kept: str) -> None:
    assert safe_name(given) == kept


async def test_s92_no_more_is_read_than_a_kind_may_have(api: httpx.AsyncClient) -> None:
    """A body without end is left where it passed its cap, not read to its end."""
    given = 0

    async def endless(first: bytes):
        nonlocal given
        yield first
        while given < 300:
            given += 1
            yield bytes(1 << 20)

    large = await api.post("/v1/media", content=endless(picture("PNG")), headers={"Content-Type": "image/png"})
    assert (large.status_code, large.json()["code"], given) == (413, "request.too_large", 20)
    given = 0
    unknown = await api.post("/v1/media", content=endless(bytes(16)), headers={"Content-Type": "image/png"})
    assert (unknown.status_code, given <= 1) == (400, True)


FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="a.png"\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "multipart/form-data"}, PART % (b"file", b"x"), 400),
        (FORM, b"", 400),
        (FORM, PART % (b"file", b"\x89PNG\r\n\x1a\n0123456789"), 400),
        (FORM, (PART % (b"file", b"")) + b"--b--\r\n", 400),
        (FORM, PART % (b"x" * 100_000, b"y") + b"--b--\r\n", 413),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 1001 + b"--b--\r\n", 400),
        (FORM, PART % (b"a", b"") + PART % (b"b", b"") + b"--b--\r\n", 400),
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "text/plain"}, b"GIF89a", 415),
        ({}, b"GIF89a", 415),
    ],
    ids=[
        *("no boundary", "empty", "no end", "empty file", "a long name", "1,001 parts", "two files"),
        *("JSON", "a simple form's type", "no type"),
    ],
)
async def test_s40_a_broken_form_is_refused(
    headers: dict[str, str], body: bytes, status: int, api: httpx.AsyncClient
) -> None:
    answer = await api.post("/v1/media", content=body, headers=headers)
    assert answer.status_code == status, answer.text
