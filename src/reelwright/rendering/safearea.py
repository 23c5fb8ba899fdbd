"""The part of the frame that no app covers with its own buttons and texts, as dated data."""

from dataclasses import dataclass

AS_OF = "2026-01"
FULL_WIDTH, FULL_HEIGHT = 1080, 1920


@dataclass(frozen=True, slots=True)
class Margins:
    """What each side loses, in pixels of a 1080 by 1920 frame."""

    top: int
    bottom: int
    left: int
    right: int


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


# The largest dead zones published for each app by creators' guides up to AS_OF; the apps publish none and move them.
PLATFORMS = {
    "tiktok": Margins(top=130, bottom=350, left=60, right=164),
    "reels": Margins(top=220, bottom=450, left=60, right=120),
    "shorts": Margins(top=120, bottom=310, left=60, right=120),
}
# What each app takes, in seconds (Instagram: at least 3; Shorts: 3 minutes; TikTok's posting interface: 10 minutes).
LENGTHS_S = {"tiktok": (3.0, 600.0), "reels": (3.0, 900.0), "shorts": (3.0, 180.0)}
_ELSEWHERE = 0.08  # frames of other shapes are shown whole: the usual title-safe margin


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
