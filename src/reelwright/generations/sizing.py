"""How much of everything a reel of a certain length has."""


def wanted_words(*, duration_s: int, words_per_minute: int = 150) -> int:
    """Return how many words a narration of that length has."""
    return round(duration_s * words_per_minute / 60)


def wanted_scenes(*, duration_s: int) -> int:
    """Return how many scenes a reel of that length has: one every five seconds, 3 to 12."""
    return min(12, max(3, round(duration_s / 5)))
