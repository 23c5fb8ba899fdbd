"""The offline pictures' prompts: a line that says what will be drawn, which a person can read and change."""

import re
from dataclasses import dataclass

_FIELD = re.compile(r"\s*(hero|with|composition|palette|seed)\s*[:=]\s*([^;\n]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """What a prompt says. What it leaves out is None, or empty: the drawing then chooses by its seed."""

    hero: str
    companions: tuple[str, ...] = ()
    composition: str | None = None
    palette: str | None = None
    seed: int | None = None

    def text(self) -> str:
        """Write the line: `hero: cat; with: heart, house; composition: rings; palette: teal dusk; seed: 7`."""
        fields = {
            "hero": self.hero,
            "with": ", ".join(self.companions),
            "composition": self.composition,
            "palette": self.palette,
            "seed": self.seed,
        }
        return "; ".join(f"{name}: {value}" for name, value in fields.items() if value not in (None, ""))


def read(prompt: str) -> Directions | None:
    """Read a prompt's fields in any order and case; None when it names no hero, so is a free description."""
    fields = {match[1].lower(): match[2].strip() for match in _FIELD.finditer(prompt)}
    if not fields.get("hero"):
        return None
    seed = fields.get("seed", "")
    return Directions(
        hero=fields["hero"].lower(),
        companions=tuple(name.strip().lower() for name in fields.get("with", "").split(",") if name.strip()),
        composition=fields.get("composition", "").lower() or None,
        palette=fields.get("palette", "").lower() or None,
        seed=int(seed) if seed.isascii() and seed.isdigit() else None,
    )
