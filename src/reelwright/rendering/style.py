"""What people choose about how captions look: style, font, colours and a logo; and whether colours can be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import msgspec

STYLES = ("classic", "box", "karaoke", "pop", "subtitle")
FONTS = ("poppins", "montserrat", "inter", "rubik", "anton", "lora", "noto")
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")
_DRAWN = "style/1"  # raise it whenever the same style of the same words is drawn otherwise

_LOGO_HEIGHT = 0.1  # of the frame

Rgb = tuple[int, int, int]
Colour = Annotated[str, msgspec.Meta(pattern=r"^#[0-9A-Fa-f]{6}\Z", min_length=7, max_length=7)]


class Logo(msgspec.Struct, frozen=True, kw_only=True):
    """A picture in a corner of the safe area, as wide as `share` of the frame at most.

    `path` is the file that is drawn; `sha256` names its bytes, so that the style has its name before the file is there.
    """

    path: str
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = "top_right"
    share: Annotated[float, msgspec.Meta(ge=0.05, le=0.25)] = 0.14
    sha256: str = ""

    def room(self, width: int, height: int) -> tuple[int, int]:
        """Return the even width and height, in pixels, of what it is fitted into: at most a tenth of the height."""
        side = round(width * self.share) // 2 * 2
        return side, min(side, round(height * _LOGO_HEIGHT) // 2 * 2)


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How captions are drawn: colours are `#RRGGBB`.

    `highlight` colours the spoken word. `box` fills what lies behind words: without one, violet behind the spoken word
    (box), near-black behind the lines (subtitle).
    """

    name: Literal["classic", "box", "karaoke", "pop", "subtitle"] = "classic"
    font: Literal["poppins", "montserrat", "inter", "rubik", "anton", "lora", "noto"] = "poppins"
    text: Colour = "#FFFFFF"
    highlight: Colour = "#FFDD00"
    box: Colour | None = None
    logo: Logo | None = None

    def named(self) -> str:
        """Return one name for all that this style draws: SHA-256, in which a logo counts by its bytes, not its path.

        Raises OSError where a logo's bytes are neither named nor readable.
        """
        colours = [colour and colour.upper() for colour in (self.text, self.highlight, self.box)]
        logo = self.logo and (_bytes_named(self.logo), self.logo.corner, round(self.logo.share, 4))
        return sha256(msgspec.json.encode((_DRAWN, self.name, self.font, colours, logo))).hexdigest()


CLASSIC = Style()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a style cuts and sets words: at most `words` and `columns` (letters; ideographs count twice) are together.

    `size` is a share of the frame's shorter side; `leading`, `space` (beyond a plain one), `stroke` and `pad` (what a
    box takes beside and above letters) are shares of the letters' size. `middle` says how low in the safe area lines
    stand; `swell` how much larger a spoken word grows. Clauses or, in a quiet style, sentences end a group.
    """

    words: int = 4
    columns: int = 18
    capitals: bool = True
    quiet: bool = False
    size: float = 0.085
    leading: float = 1.16
    middle: float = 0.87
    space: float = 0.0
    stroke: float = 0.085
    pad: tuple[float, float] = (0.0, 0.0)
    swell: float = 1.0


MANNERS: Mapping[str, Manner] = {
    "classic": Manner(),
    "karaoke": Manner(),
    "box": Manner(space=0.2, leading=1.3, pad=(0.17, 0.15)),
    "pop": Manner(words=3, columns=13, size=0.125, leading=1.24, middle=0.8, swell=1.14),
    "subtitle": Manner(
        words=11,
        columns=48,
        capitals=False,
        quiet=True,
        size=0.046,
        leading=1.36,
        middle=0.94,
        stroke=0.0,
        pad=(0.5, 0.34),
    ),
}


def _bytes_named(logo: Logo) -> str:
    return logo.sha256 or sha256(Path(logo.path).read_bytes()).hexdigest()


def rgb(colour: str) -> Rgb:
    """Return a colour's red, green and blue, 0..255. Raises ValueError where it isn't `#RRGGBB`."""
    try:
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    except ValueError as wrong:
        msg = f"not a colour: {colour!r}"
        raise ValueError(msg) from wrong
    return red, green, blue


def contrast(a: str, b: str) -> float:
    """Return how far two colours stand apart, 1..21: the contrast ratio of WCAG 2.2 (large text needs 3, other 4.5)."""
    low, high = sorted((_luminance(rgb(a)), _luminance(rgb(b))))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Rgb) -> float:
    """Return the relative luminance, 0..1 (WCAG 2.2: sRGB made linear, weighed as in BT.709)."""
    shares = (channel / 255 for channel in colour)
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]  # noqa: PLR2004 - sRGB's knee
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
