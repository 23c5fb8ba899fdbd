"""Pictures without a key: Twemoji illustrations, chosen by meaning, set into lit and layered compositions."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import numpy as np
from PIL import Image

from reelwright.ground import png
from reelwright.ground.metering import Action, Use
from reelwright.providers.model import Look, Picture, ProviderRefused, SceneText
from reelwright.providers.offline import composition_open, composition_studio, drawing_light, palette
from reelwright.providers.offline.composition import Canvas
from reelwright.providers.offline.drawing_direction import COMPOSITIONS, Told, directed
from reelwright.providers.offline.drawing_prompt import Directions, read
from reelwright.providers.offline.illustrations import ATTRIBUTION, Illustrations

__all__ = ["ATTRIBUTION", "MODEL_NAME", "OfflinePictures"]

MODEL_NAME = "drawing-1"
SMALLEST, LARGEST = 64, 4096

_COMPOSERS: Mapping[str, Callable[[Canvas], Image.Image]] = {
    "hills": composition_open.hills,
    "waves": composition_open.waves,
    "orbit": composition_open.orbit,
    "rings": composition_open.rings,
    "drift": composition_open.drift,
    "podium": composition_studio.podium,
    "papercut": composition_studio.papercut,
    "medallion": composition_studio.medallion,
    "sunburst": composition_studio.sunburst,
}


class OfflinePictures:
    """Draws what its prompts say. The same prompt, size, seed and take always give the same bytes."""

    async def direct(
        self, scenes: Sequence[SceneText], *, topic: str, tone: str, seed: int, look: Look | None = None
    ) -> tuple[str, ...]:
        """Return prompts like `hero: cat; with: heart, house; composition: rings; palette: teal dusk; seed: 7`.

        No hero is used twice, the palette is one, compositions come from one family. The look is always our own.
        """
        del look
        told = [Told(narration=scene.narration, visual=scene.visual) for scene in scenes]
        directions = await asyncio.to_thread(directed, told, topic=topic, tone=tone, seed=abs(seed))
        return tuple(each.text() for each in directions)

    async def draw(
        self, prompt: str, *, width: int, height: int, seed: int, take: int = 0, faults: Sequence[str] = ()
    ) -> tuple[Picture, tuple[Use, ...]]:
        """Draw a PNG in a thread. A prompt that names no hero is taken as a description and directed alone.

        The prompt's own seed wins over `seed`; takes 1 and 2 arrange the same subjects anew, in another composition.
        Raises ProviderRefused: picture.size_unsupported.
        """
        del faults  # another take is another composition already
        if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
            raise ProviderRefused(
                f"Pictures are {SMALLEST} to {LARGEST} pixels a side. Choose a size within that.",
                code="picture.size_unsupported",
                field="size",
            )
        began = time.monotonic()
        data = await asyncio.to_thread(_drawn, prompt, width, height, seed, take)
        use = Use(
            action=Action.IMAGE,
            provider="offline",
            model=MODEL_NAME,
            quantity=1,
            images=1,
            wall_ms=round((time.monotonic() - began) * 1000),
        )
        return Picture(data=data, media_type="image/png", width=width, height=height), (use,)


def directions_of(prompt: str, *, seed: int) -> Directions:
    """Return what a prompt says, whatever it is: read, or directed from its words. Blank words give a plain picture."""
    said = read(prompt)
    return said or directed([Told(narration="", visual=prompt)], topic="", tone="curious", seed=abs(seed))[0]


def _drawn(prompt: str, width: int, height: int, seed: int, take: int) -> bytes:
    catalogue = Illustrations.load()
    said = directions_of(prompt, seed=seed)
    own = seed if said.seed is None else said.seed
    entropy = sha256(f"{prompt}\x1f{own}\x1f{take}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(entropy[:8], "big"))
    names = COMPOSITIONS
    first = names.index(said.composition) if said.composition in names else own % len(names)
    canvas = Canvas(
        width=width,
        height=height,
        palette=palette.palette(said.palette or "") or palette.for_mood("", own),
        hero=catalogue.svg(catalogue.nearest(said.hero)),
        companions=[catalogue.svg(catalogue.nearest(name)) for name in said.companions[:4]],
        rng=rng,
    )
    composer = _COMPOSERS[names[(first + take * 2) % len(names)]]
    image = drawing_light.finished(composer(canvas))
    # Not JPEG: at any quality it throws the dither away, and dark gradients show bands again (measured).
    return png.encoded(np.asarray(image))
