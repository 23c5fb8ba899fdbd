"""Judges one scene's picture with an OpenAI-compatible vision model. The judge never learns the threshold."""

import asyncio
import base64
import io
from dataclasses import replace
from typing import Any

import msgspec
from PIL import Image, ImageStat

from reelwright.ground.cleaning import line_of
from reelwright.ground.metering import Action, Use
from reelwright.providers import openai_prompts as prompts
from reelwright.providers.answers import Message
from reelwright.providers.catalogue import Model
from reelwright.providers.model import Judgement, Picture
from reelwright.providers.openai_chat import Reply, complete
from reelwright.providers.openai_connection import OpenAIConnection
from reelwright.providers.openai_stories import unfenced

_SHOWN_SIDE = 768  # enough to see deformed hands, at a third of the full size's tokens
_MOST_TOKENS = 1_500
_LONGEST_TEXT = 800
_LEAST_CONTRAST = 6  # standard deviation of luma, of 255
_MOST_EXTREME = 0.85  # share of pixels that are pure black or white
_BLANK_QUALITY = 20
_EXTREME = 3  # of 256 levels, at either end


class _Scores(msgspec.Struct, frozen=True):
    relevance: int
    quality: int
    consistency: int
    safety: int
    reasons: tuple[str, ...] = ()


class OpenAIVision:
    """A `VisionProvider`: one call a scene."""

    def __init__(self, connection: OpenAIConnection, model: Model) -> None:
        self._connection = connection
        self._model = model

    async def judge(
        self, picture: Picture, *, visual: str, narration: str, prompt: str
    ) -> tuple[Judgement, tuple[Use, ...]]:
        """Score relevance, quality, consistency and safety, each 0..100. Raises ProviderRefused, ProviderAway."""
        shown, blank = await asyncio.to_thread(_shown, picture)
        judgement, _, reply = await complete(
            self._connection,
            self._model,
            _judgement,
            action=Action.VISION_CHECK,
            quantity=1,
            messages=_messages(shown, visual=visual, narration=narration, prompt=prompt),
            answer_format=prompts.JUDGEMENT_FORMAT,
            most_tokens=_MOST_TOKENS,
        )
        return _doubted(judgement) if blank else judgement, (reply.use,)


def _doubted(judgement: Judgement) -> Judgement:
    """Return what is left of praise for a picture without a picture: a card that says "score 100", an empty frame."""
    reasons = (*judgement.reasons, "The picture is nearly blank, or black and white lettering.")
    return replace(judgement, quality=min(judgement.quality, _BLANK_QUALITY), reasons=reasons)


def _judgement(reply: Reply) -> tuple[Judgement | None, list[str]]:
    try:
        scores = msgspec.json.decode(unfenced(reply.text), type=_Scores)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None, ["it isn't a judgement"]
    judgement = Judgement(
        relevance=_bounded(scores.relevance),
        quality=_bounded(scores.quality),
        consistency=_bounded(scores.consistency),
        safety=_bounded(scores.safety),
        reasons=tuple(line_of(reason)[:300] for reason in scores.reasons[:6]),
    )
    return judgement, []


def _messages(shown: bytes, *, visual: str, narration: str, prompt: str) -> list[Message]:
    texts = (("Scene", visual), ("Narration", narration), ("Image prompt", prompt))
    asked = "\n".join(f"{name}: {line_of(text)[:_LONGEST_TEXT]}" for name, text in texts)
    image: dict[str, Any] = {"url": f"data:image/jpeg;base64,{base64.b64encode(shown).decode()}"}
    content = [{"type": "text", "text": asked}, {"type": "image_url", "image_url": image}]
    return [{"role": "system", "content": prompts.JUDGE}, {"role": "user", "content": content}]


def _shown(picture: Picture) -> tuple[bytes, bool]:
    """Return a small JPEG of it, and whether there is hardly anything on it: measured, so that no lettering can lie."""
    with Image.open(io.BytesIO(picture.data), formats=("PNG", "JPEG")) as opened:
        small = opened.convert("RGB")
    small.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    out = io.BytesIO()
    small.save(out, format="JPEG", quality=85)
    luma = small.convert("L")
    levels = luma.histogram()
    extreme = (sum(levels[:_EXTREME]) + sum(levels[-_EXTREME:])) / sum(levels)
    return out.getvalue(), extreme > _MOST_EXTREME or ImageStat.Stat(luma).stddev[0] < _LEAST_CONTRAST


def _bounded(score: int) -> int:
    return max(0, min(100, score))
