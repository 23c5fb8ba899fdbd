"""Intro and outro: a title, a logo and a line that grows, on a ground in the kit's colours that is never still."""

from functools import cached_property
from pathlib import Path

from PIL import Image, ImageDraw

from reelwright.rendering import planes
from reelwright.rendering.fonts import Chain
from reelwright.rendering.inking import DARK, Patch, readable
from reelwright.rendering.lettering import Block, Page, lay_out
from reelwright.rendering.planes import Planes
from reelwright.rendering.safearea import Area, safe_area
from reelwright.rendering.scripts import cleaned, language, pieces, rightwards
from reelwright.rendering.style import Manner, Style, rgb
from reelwright.rendering.timeline import Card, Timeline

_TITLE = Manner(capitals=False, size=0.105, leading=1.16, middle=0.5, stroke=0.0)
_FINE = 2  # titles are drawn so much larger, so that they grow without trembling
_GROWTH = 0.05
_GLOW = 40  # how much lighter, of 219 steps, the light on the ground is
_TEXTURE = 64  # pixels of the ground's small picture, which is stretched over the frame
_LINE_SHARE, _LINE_HEIGHT = 0.34, 0.011  # of the frame's shorter side
_LOGO_SHARE = 0.3


class CardPainter:
    """Paints one card at any moment of it."""

    def __init__(self, card: Card, timeline: Timeline, style: Style) -> None:
        self._card, self._style = card, style
        self._size = (timeline.width, timeline.height)
        self._area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
        self._ground = style.box or DARK
        self._text = readable(style.text, self._ground)
        self._line = readable(style.highlight, self._ground, least=3.0)

    def frame(self, progress: float) -> Planes:
        """Return the card at 0..1 of its time."""
        picture = self._lit(progress)
        grown = 1 + _GROWTH * progress
        left, top, right, bottom = self._place
        middle = (self._size[0] / 2, self._size[1] / 2)
        x, y = ((centre + (side - centre) / grown) * _FINE for side, centre in zip((left, top), middle, strict=True))
        x_end, y_end = (
            (centre + (side - centre) / grown) * _FINE for side, centre in zip((right, bottom), middle, strict=True)
        )
        size = (right - left, bottom - top)
        colours, opacity = (
            layer.resize(size, Image.Resampling.BILINEAR, box=(x, y, x_end, y_end)) for layer in self._title
        )
        self._grow(colours, opacity, progress)
        half = opacity.resize((size[0] // 2, size[1] // 2), Image.Resampling.BOX)
        Patch(planes.from_rgb(colours), opacity, half, (left, top)).lay_on(picture)
        return picture

    def _lit(self, progress: float) -> Planes:
        """Return the ground: a soft light wanders over it."""
        width, height = self._size
        flat = planes.from_rgb(Image.new("RGB", (2, 2), rgb(self._ground)))
        base, blue, red = (int(plane.getpixel((0, 0))) for plane in (flat.y, flat.u, flat.v))  # type: ignore[arg-type]  # grey pixels are numbers
        room = _TEXTURE // 2
        x, y = room * progress, room * (1 - progress) / 2
        light = self._light.resize(self._size, Image.Resampling.BILINEAR, box=(x, y, x + _TEXTURE, y + _TEXTURE))
        luma = light.point([min(235, base + level) for level in range(256)])
        half = (width // 2, height // 2)
        return Planes(luma, Image.new("L", half, blue), Image.new("L", half, red))

    @cached_property
    def _light(self) -> Image.Image:
        side = _TEXTURE * 3 // 2
        glow = Image.radial_gradient("L").resize((side, side), Image.Resampling.BICUBIC)
        return glow.point([round((255 - level) * _GLOW / 255) for level in range(256)])

    @cached_property
    def _block(self) -> Block:
        text = cleaned(self._card.text)
        spoken, (width, height) = language(text), self._size
        chain = Chain.of(self._style.font, text.split())
        page = Page(
            width=width,
            height=height,
            area=self._area,
            manner=_TITLE,
            chain=chain,
            rtl=rightwards(text),
            language=spoken,
        )
        words = [pieces(word, spoken) for word in chain.drawable(text)[0].split() or ["·"]]
        return lay_out([(piece, i > 0) for word in words for i, piece in enumerate(word)], page)

    @cached_property
    def _logo(self) -> tuple[Image.Image, tuple[int, int]] | None:
        """Return the logo and where it stands, as titles are drawn: above the letters, as large as there is room."""
        if self._style.logo is None:
            return None
        with Image.open(Path(self._style.logo.path)) as file:
            logo = file.convert("RGBA")
        most, gap = _LOGO_SHARE * min(self._size), self._block.size * 0.7
        room = self._block.ink.top - self._area.top - gap
        scale = min(room / logo.height, most / logo.height, most / logo.width) * _FINE
        if scale * min(logo.size) < 2:  # noqa: PLR2004 - pixels: there is no room for it
            return None
        size = (round(logo.width * scale), round(logo.height * scale))
        at = (round(self._size[0] * _FINE / 2 - size[0] / 2), round((self._block.ink.top - gap) * _FINE) - size[1])
        return logo.resize(size, Image.Resampling.LANCZOS), at

    @cached_property
    def _place(self) -> tuple[int, int, int, int]:
        """Return the even rectangle of all that is ever drawn on the ground."""
        ink, half_line = self._block.ink, round(_LINE_SHARE * min(self._size) / 2)
        middle = (self._size[0] / 2, self._size[1] / 2)
        left, right = min(ink.left, middle[0] - half_line), max(ink.right, middle[0] + half_line)
        top, bottom = ink.top, self._line_top + round(_LINE_HEIGHT * min(self._size))
        if self._logo is not None:
            logo, at = self._logo
            left, right = min(left, at[0] / _FINE), max(right, (at[0] + logo.width) / _FINE)
            top = min(top, at[1] / _FINE)
        sides = zip((left, top, right, bottom), (*middle, *middle), strict=True)
        grown = [centre + (side - centre) * (1 + _GROWTH) for side, centre in sides]
        even = [int(side // 2) * 2 for side in (min(left, grown[0]) - 2, min(top, grown[1]) - 2)]
        far = [int(-(-side // 2)) * 2 for side in (max(right, grown[2]) + 2, max(bottom, grown[3]) + 2)]
        return max(0, even[0]), max(0, even[1]), min(self._size[0], far[0]), min(self._size[1], far[1])

    @cached_property
    def _title(self) -> tuple[Image.Image, Image.Image]:
        """Return letters and logo, and where they are, larger than they are shown."""
        size = (self._size[0] * _FINE, self._size[1] * _FINE)
        colours, opacity = Image.new("RGB", size, rgb(self._text)), Image.new("L", size, 0)
        pen, block = ImageDraw.Draw(opacity), self._block
        for word in block.words:
            for run in word.runs:
                place = ((word.x + run.x) * _FINE, word.baseline * _FINE)
                pen.text(place, run.text, font=block.font(run.face, _FINE), fill=255, anchor="ls", **run.shaping)
        if self._logo is not None:
            logo, at = self._logo
            colours.paste(logo.convert("RGB"), at)
            opacity.paste(logo.getchannel("A"), at)
        return colours, opacity

    def _grow(self, colours: Image.Image, opacity: Image.Image, progress: float) -> None:
        """Draw the line below the title as far as it has grown, from its middle."""
        short, (left, top, _, _) = min(self._size), self._place
        half, thick = _LINE_SHARE * short / 2 * (0.25 + 0.75 * progress), _LINE_HEIGHT * short
        middle, y = self._size[0] / 2 - left, self._line_top - top
        line = (middle - half, y, middle + half, y + thick)
        for layer, fill in ((colours, rgb(self._line)), (opacity, 255)):
            ImageDraw.Draw(layer).rounded_rectangle(line, radius=thick / 2, fill=fill)

    @cached_property
    def _line_top(self) -> int:
        below = self._block.ink.bottom + round(self._block.size * 0.5)
        return min(below, self._area.bottom - round(_LINE_HEIGHT * min(self._size)))

    @property
    def ink(self) -> Area:
        """Where its letters stand, before they grow."""
        return self._block.ink
