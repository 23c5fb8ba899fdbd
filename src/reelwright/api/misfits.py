"""What msgspec says of a value that doesn't fit, as a sentence that names the field."""


def misfit(message: str, field: str | None = None) -> tuple[str, str | None]:
    """Return the sentence and the field, which the message names itself unless one is given."""
    text, _, place = message.partition(" - at `")
    field = field or place.removeprefix("$").removeprefix(".").rstrip("`") or None
    text = text.rstrip(".")
    return (f"{field}: {text}." if field else f"{text}."), field or _quoted(text)


def _quoted(text: str) -> str | None:
    """Return the field that stands in backticks, as in: Object contains unknown field `x`."""
    parts = text.split("`")
    return parts[1] if "field" in parts[0] and len(parts) > 2 else None  # noqa: PLR2004 - one quotation
