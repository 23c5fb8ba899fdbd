"""What each platform takes below a video, as dated data.

Read on 2026-11-21. TikTok: captions of 4,000 characters, since August 2025 five hashtags; Instagram: 2,200 and, since
December 2025, five; YouTube: titles of 100 characters, descriptions of 5,000, and with more than fifteen hashtags none
counts (support.google.com/youtube, "Use hashtags"; coreyhaines31/marketingskills, "Platform Limits Reference"). How
many characters are seen before "more" differs by screen: the least that was named.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Characters of title and caption (hashtags count among them), how many are seen at once, and hashtags."""

    title: int
    caption: int
    seen: int
    hashtags: int


PLATFORMS: Mapping[str, Platform] = {
    "tiktok": Platform(title=90, caption=4_000, seen=100, hashtags=5),
    "reels": Platform(title=100, caption=2_200, seen=125, hashtags=5),
    "shorts": Platform(title=100, caption=5_000, seen=100, hashtags=15),
}
_LEAST = Platform(title=90, caption=2_200, seen=100, hashtags=5)

CAPTION = 300
"""Characters that a caption should have: nobody reads more below a short video."""
TAGS = 8
"""Hashtags that a reel has at most, whatever a platform would take."""


def limits(platform: str) -> Platform:
    """Return a platform's limits; the least of all for one that isn't listed."""
    return PLATFORMS.get(platform, _LEAST)


def most_hashtags(platform: str) -> int:
    """Return how many hashtags a reel has on a platform at most."""
    return min(TAGS, limits(platform).hashtags)
