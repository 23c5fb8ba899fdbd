"""How large a reel is, and how much of everything one of a certain length has."""

from enum import StrEnum

LENGTH_OFF = 0.10
"""How far from the length ordered a reel may be: what its release gate lets pass."""


class Aspect(StrEnum):
    PORTRAIT = "9:16"
    SQUARE = "1:1"
    LANDSCAPE = "16:9"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished frame, in pixels."""
        return {"9:16": (1080, 1920), "1:1": (1080, 1080), "16:9": (1920, 1080)}[self.value]

    @property
    def shown(self) -> "tuple[Aspect, ...]":
        """The aspects whose pictures a frame may show, its own first: one set serves them all.

        A square is cut from the others; a long frame shows the other one's pictures before a ground of their own.
        """
        return (self, *(other for other in (Aspect.PORTRAIT, Aspect.LANDSCAPE, Aspect.SQUARE) if other is not self))


def wanted_words(*, duration_s: int, words_per_minute: int = 150) -> int:
    """Return how many words a narration of that length has."""
    return round(duration_s * words_per_minute / 60)


def wanted_scenes(*, duration_s: int) -> int:
    """Return how many scenes a reel of that length has: one every five seconds, 3 to 12."""
    return min(12, max(3, round(duration_s / 5)))
