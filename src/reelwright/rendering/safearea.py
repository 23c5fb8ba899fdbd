"""The part of the frame that no app covers with its own buttons and texts, as dated data."""

from dataclasses import dataclass

FULL_WIDTH, FULL_HEIGHT = 1080, 1920


@dataclass(frozen=True, slots=True)
class Margins:
    """What each side loses, in pixels of a 1080 by 1920 frame; when that was looked up, and where."""

    top: int
    bottom: int
    left: int
    right: int
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in pixels; right and bottom are just outside it."""

    left: int
    top: int
    right: int
    bottom: int

    def holds(self, other: "Area") -> bool:
        """Return whether the other lies wholly inside this one."""
        inside_x = self.left <= other.left and other.right <= self.right
        return inside_x and self.top <= other.top and other.bottom <= self.bottom


# The apps publish no numbers for what people post, and move their buttons: each is the largest dead zone that guides
# for creators gave at that date. Advertisers are asked to leave more (Meta: 14 % above, 35 % below, 6 % beside).
_GUIDES = "creators' guides to safe zones, the largest of"
PLATFORMS = {
    "tiktok": Margins(130, 350, 60, 164, as_of="2026-01", source=f"{_GUIDES} 108-130 / 320-350 / 120-164 px"),
    "reels": Margins(220, 450, 60, 120, as_of="2026-01", source=f"{_GUIDES} 108-220 / 310-450 / 84-120 px"),
    "shorts": Margins(120, 310, 60, 120, as_of="2026-01", source=f"{_GUIDES} 120 / 300-310 / 96-120 px"),
}
# What each app takes, in seconds (Instagram: at least 3; Shorts: 3 minutes; TikTok's posting interface: 10 minutes).
LENGTHS_S = {"tiktok": (3.0, 600.0), "reels": (3.0, 900.0), "shorts": (3.0, 180.0)}
# Square and wide frames are shown whole, with the apps' buttons beside them: more than the 5 % that SMPTE ST 2046-1
# (2009) keeps free of titles on each side.
_ELSEWHERE = 0.08


def safe_area(platform: str, *, width: int, height: int) -> Area:
    """Return where captions may stand. Raises KeyError on an unknown platform."""
    margins = PLATFORMS[platform]
    if height <= width:
        x, y = round(width * _ELSEWHERE), round(height * _ELSEWHERE)
        return Area(x, y, width - x, height - y)
    across, down = width / FULL_WIDTH, height / FULL_HEIGHT
    return Area(
        left=round(margins.left * across),
        top=round(margins.top * down),
        right=width - round(margins.right * across),
        bottom=height - round(margins.bottom * down),
    )
