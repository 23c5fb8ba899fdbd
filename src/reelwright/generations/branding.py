"""What a generation looks like, as it was chosen at its order: caption style and brand kit as plain values."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class CaptionStyle(StrEnum):
    CLASSIC = "classic"
    BOX = "box"
    KARAOKE = "karaoke"
    POP = "pop"
    SUBTITLE = "subtitle"


class Profile(StrEnum):
    """How a reel is encoded: as well as it should be; sooner, in a larger file that is hardly worse; or small."""

    NORMAL = "normal"
    FAST = "fast"
    PREVIEW = "preview"


class Corner(StrEnum):
    TOP_LEFT = "top_left"
    TOP_RIGHT = "top_right"
    BOTTOM_LEFT = "bottom_left"
    BOTTOM_RIGHT = "bottom_right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture as it lies in storage, where it stands, and its width as a share of the frame's, 0.05 to 0.25."""

    id: UUID
    key: str
    sha256: str
    corner: Corner
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """A card before or behind the reel: its text of 1 to 60 characters, and its length, 1,000 to 2,000 ms."""

    text: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """A brand kit as it was at one revision. Colours are #RRGGBB; a box of None: each caption style's own."""

    id: UUID
    version: int
    font: str
    text: str
    highlight: str
    box: str | None = None
    logo: Logo | None = None
    intro: Title | None = None
    outro: Title | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What a generation looks like, as it was chosen at its order: later changes of draft and kit are others'."""

    caption_style: CaptionStyle = CaptionStyle.CLASSIC
    kit: Kit | None = None
    profile: Profile = Profile.NORMAL

    @property
    def drawn(self) -> tuple[object, ...]:
        """All that is drawn into the frames, and their encoding: by this alone is told whether chunks are alike."""
        if self.kit is None:
            return (self.profile, self.caption_style)
        kit, logo = self.kit, self.kit.logo
        marked = None if logo is None else (logo.sha256, logo.corner, logo.share)
        return (self.profile, self.caption_style, kit.font, kit.text, kit.highlight, kit.box, marked)

    @property
    def cards(self) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
        """Intro and outro: text and length in milliseconds, or None. They lengthen the reel, and so its sound."""
        intro, outro = (self.kit.intro, self.kit.outro) if self.kit else (None, None)
        return (intro and (intro.text, intro.duration_ms), outro and (outro.text, outro.duration_ms))

    @property
    def cards_ms(self) -> int:
        """By how much the cards lengthen the reel."""
        return sum(card[1] for card in self.cards if card)
