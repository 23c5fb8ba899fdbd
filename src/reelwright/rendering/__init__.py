"""The rendering room: narrations and pictures to a plan, its frames, its command lines, and verdicts on the result."""

from reelwright.rendering import captions, disclosure, gate, graph, hearing, making, planes, shaping, tempo, variety
from reelwright.rendering.frames import Painter
from reelwright.rendering.gate import Evidence, Seen
from reelwright.rendering.gates import Check, Report
from reelwright.rendering.looks import looks
from reelwright.rendering.planes import BadPicture
from reelwright.rendering.probe import Probe, probe
from reelwright.rendering.safearea import Area, safe_area
from reelwright.rendering.style import FONTS, STYLES, Logo, Style, contrast
from reelwright.rendering.timeline import (
    FPS,
    SAMPLE_RATE,
    SAMPLES_A_FRAME,
    Card,
    Shot,
    Take,
    Timeline,
    Word,
    on_beats,
    plan,
    preview,
    sized,
)
from reelwright.rendering.variety import Variety

__all__ = [
    "FONTS",
    "FPS",
    "SAMPLES_A_FRAME",
    "SAMPLE_RATE",
    "STYLES",
    "Area",
    "BadPicture",
    "Card",
    "Check",
    "Evidence",
    "Logo",
    "Painter",
    "Probe",
    "Report",
    "Seen",
    "Shot",
    "Style",
    "Take",
    "Timeline",
    "Variety",
    "Word",
    "captions",
    "contrast",
    "disclosure",
    "gate",
    "graph",
    "hearing",
    "looks",
    "making",
    "on_beats",
    "plan",
    "planes",
    "preview",
    "probe",
    "safe_area",
    "shaping",
    "sized",
    "tempo",
    "variety",
]
