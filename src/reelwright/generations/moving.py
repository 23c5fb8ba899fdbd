"""How pictures move, and how one scene gives way to the next, as plain values."""

from dataclasses import dataclass
from enum import StrEnum


class MotionKind(StrEnum):
    PUSH_IN = "push_in"
    PULL_OUT = "pull_out"
    PAN_LEFT = "pan_left"
    PAN_RIGHT = "pan_right"
    PAN_UP = "pan_up"
    PAN_DOWN = "pan_down"


class TransitionKind(StrEnum):
    FADE = "fade"
    SLIDE = "slide"
    PUSH_UP = "push_up"
    CIRCLE = "circle"
    DIP = "dip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How the picture moves: kind, and how much of it the move spans (0.12 = zoom from 1.00 to 1.12)."""

    kind: MotionKind
    amount: float = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """How a scene gives way to the next. Frames are shared half and half by the two scenes."""

    kind: TransitionKind
    frames: int = 12
