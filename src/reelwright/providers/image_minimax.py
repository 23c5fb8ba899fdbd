"""Draws pictures with MiniMax (platform.minimax.io, "Image Generation", November 2026)."""

from typing import Any

import msgspec

from reelwright.providers import minimax_failures
from reelwright.providers.image import ImageUsage, OpenAIPictures
from reelwright.providers.openai_connection import Method, decoded, posting

_SEEDS = 2**31


class _Drawn(msgspec.Struct, frozen=True):
    image_base64: tuple[str, ...] = ()


class _Images(msgspec.Struct, frozen=True):
    data: _Drawn | None = None


class MiniMaxPictures(OpenAIPictures):
    """A `PictureProvider` that bills by the picture; its own rewording of prompts is off, and so is its mark."""

    def _asked(self, words: str, size: tuple[int, int], seed: int) -> tuple[Method, dict[str, Any]]:
        request = {
            "model": self._model.name,
            "prompt": words,
            "width": size[0],
            "height": size[1],
            "n": 1,
            "seed": seed % _SEEDS,
            "response_format": "base64",
            "prompt_optimizer": False,
            "aigc_watermark": False,
        }
        return posting("/image_generation"), request

    def _sold(self, body: bytes) -> tuple[str | None, ImageUsage]:
        minimax_failures.check(body)
        drawn = decoded(body, _Images).data
        return drawn.image_base64[0] if drawn and drawn.image_base64 else None, ImageUsage()
