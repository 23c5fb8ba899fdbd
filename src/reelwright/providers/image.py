"""Draws pictures with an OpenAI-compatible image model, and believes only what decodes."""

import asyncio
import base64
import binascii
import io
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from PIL import Image, UnidentifiedImageError

from reelwright.ground.cleaning import line_of
from reelwright.ground.metering import Action, Use
from reelwright.providers import openai_prompts as prompts
from reelwright.providers.calls import charged
from reelwright.providers.catalogue import Craft, Model
from reelwright.providers.model import Look, Picture, SceneText
from reelwright.providers.openai_connection import Method, OpenAIConnection, Order, decoded
from reelwright.providers.openai_failures import away

_MOST_PIXELS = 16_000_000
_LEAST_SIDE = 256
_FORMATS = ("PNG", "JPEG", "WEBP")
_LONGEST_PROMPT = 3_500
_MOST_FAULTS, _LONGEST_FAULT = 3, 120  # of earlier tries that a prompt tells of, and their characters


class _Drawn(msgspec.Struct, frozen=True):
    b64_json: str | None = None


class ImageUsage(msgspec.Struct, frozen=True):
    """The tokens that a picture took; none where the service bills by the picture."""

    input_tokens: int = 0
    output_tokens: int = 0


class _Images(msgspec.Struct, frozen=True):
    data: tuple[_Drawn, ...]
    usage: ImageUsage | None = None


class OpenAIPictures:
    """A `PictureProvider`. Addresses in an answer are never fetched: only the bytes in it count.

    What differs from service to service is in `_asked` and `_sold`.
    """

    def __init__(self, connection: OpenAIConnection, model: Model) -> None:
        self._connection = connection
        self._model = model

    async def direct(
        self, scenes: Sequence[SceneText], *, topic: str, tone: str, seed: int, look: Look | None = None
    ) -> tuple[str, ...]:
        """Return one prompt a scene: the reel's look in each, and a shot that the neighbours don't have."""
        style = prompts.STYLES.get(tone, prompts.STYLES["curious"])
        shots = prompts.SHOTS
        return tuple(
            prompts.PICTURE.format(
                visual=line_of(scene.visual),
                topic=line_of(topic)[:120],
                shot=shots[(seed + index) % len(shots)],
                style=style,
                look=_looking(look),
            )
            for index, scene in enumerate(scenes)
        )

    async def draw(
        self, prompt: str, *, width: int, height: int, seed: int, take: int = 0, faults: Sequence[str] = ()
    ) -> tuple[Picture, tuple[Use, ...]]:
        """Make one picture, in the model's size that is nearest in shape. Raises ProviderRefused, ProviderAway.

        Asking twice gives two pictures: keep the one that was paid for.
        """
        began = time.monotonic()
        best = min(self._model.sizes, key=lambda size: abs(size[0] / size[1] - width / height))
        other = prompts.OTHER_TAKE.format(take=take) if take else ""
        said = "; ".join(line_of(fault).rstrip(" .")[:_LONGEST_FAULT] for fault in faults[:_MOST_FAULTS])
        other += prompts.BETTER.format(reasons=said) if said else ""
        words = line_of(prompt)[: min(_LONGEST_PROMPT, self._model.most_characters - len(other))] + other

        async def read(body: bytes) -> tuple[Picture, Use]:
            encoded, used = self._sold(body)
            use = self._use(used, began)
            with charged(use):
                if not encoded:
                    raise away("no picture")
                return await asyncio.to_thread(_checked, encoded), use

        method, request = self._asked(words, best, seed)
        picture, use = await self._connection.ask(
            Order(
                craft=Craft.PICTURE,
                model=self._model,
                method=method,
                request=request,
                read=read,
            )
        )
        return picture, (use,)

    def _asked(self, words: str, size: tuple[int, int], seed: int) -> tuple[Method, dict[str, Any]]:
        """Return by which method, with what arguments, the service draws. This one takes no seed."""
        del seed
        request: dict[str, Any] = {
            "model": self._model.name,
            "prompt": words,
            "n": 1,
            "size": f"{size[0]}x{size[1]}",
            **self._model.image_options,
        }
        return lambda client: client.images.with_raw_response.generate, request

    def _sold(self, body: bytes) -> tuple[str | None, ImageUsage]:
        """Return the picture in base64, if there is one, and what was counted. Raises ProviderAway, Failure."""
        images = decoded(body, _Images)
        return images.data[0].b64_json if images.data else None, images.usage or ImageUsage()

    def _use(self, used: ImageUsage, began: float) -> Use:
        return Use(
            action=Action.IMAGE,
            provider=self._model.provider,
            model=self._model.name,
            quantity=1,
            prompt_tokens=used.input_tokens,
            completion_tokens=used.output_tokens,
            images=1,
            wall_ms=round((time.monotonic() - began) * 1000),
            cost_nano_usd=self._model.price.of(
                prompt_tokens=used.input_tokens, completion_tokens=used.output_tokens, images=1
            ),
        )


def _looking(look: Look | None) -> str:
    if look is None:
        return prompts.USUAL_LOOK
    characters = prompts.CHARACTERS.format(characters=look.characters) if look.characters else ""
    return prompts.OWN_LOOK.format(medium=look.medium, palette=look.palette, characters=characters)


def _checked(encoded: str) -> Picture:
    """Decode the picture whole and write it anew as PNG, so that nothing but pixels goes on. Raises ProviderAway."""
    try:
        data = base64.b64decode(encoded, validate=True)
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            width, height = opened.size
            if width * height > _MOST_PIXELS or min(width, height) < _LEAST_SIDE:
                raise away("picture size")
            pixels = opened.convert("RGB")
    except (binascii.Error, UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise away("not a picture") from None
    out = io.BytesIO()
    pixels.save(out, format="PNG", compress_level=3)
    return Picture(data=out.getvalue(), media_type="image/png", width=width, height=height)
