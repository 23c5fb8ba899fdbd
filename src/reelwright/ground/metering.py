"""What one provider call or compute step used: handed up by whoever did the work, priced and written by the ledger."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """A priced kind of work; `action_costs` holds one row for each."""

    INGESTION = "ingestion"
    STORY = "story"
    REWRITE = "rewrite"
    IMAGE = "image"
    VISION_CHECK = "vision_check"
    SPEECH = "speech"
    MUSIC = "music"
    MIX = "mix"
    RENDER = "render"
    PREVIEW = "preview"
    SCHEDULED_RUN = "scheduled_run"

    @property
    def compute(self) -> bool:
        """Whether our own machines do it, not a model."""
        ours = {Action.INGESTION, Action.MUSIC, Action.MIX, Action.RENDER, Action.PREVIEW, Action.SCHEDULED_RUN}
        return self in ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One metered step.

    `quantity` is what the action's price multiplies: sources, variants, rewritten parts, images, checks, characters
    (speech), milliseconds of finished sound or picture (music, mix, render, preview), runs of a schedule.
    `cost_nano_usd` is what the provider bills us, in 1e-9 USD.
    """

    action: Action
    provider: str
    model: str
    quantity: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    images: int = 0
    characters: int = 0
    wall_ms: int = 0
    cost_nano_usd: int = 0
