"""Names a reel's source below it, whoever wrote the words: its licence may ask for that."""

from reelwright.providers import platforms
from reelwright.providers.model import Facts
from reelwright.providers.offline.language import known_language
from reelwright.providers.offline.writing_frame import source_line


def credited(caption: str, facts: Facts, *, language: str, platform: str, hashtags: tuple[str, ...] = ()) -> str:
    """Return a caption that names title, licence and address of its source, as its last line where it didn't before.

    The writer's own words give way where platform and hashtags leave no room for both.
    """
    line = source_line(facts, known_language(language))
    named = (facts.attribution_title, facts.attribution_licence, facts.attribution_url)
    if line is None or all(name in caption for name in named if name):
        return caption
    tags = sum(len(tag) + len(" #") for tag in hashtags)
    room = max(0, platforms.limits(platform).caption - len(f"\n\n{line}") - tags)
    words = caption if len(caption) <= room else caption[:room].rpartition(" ")[0]
    return f"{words.rstrip()}\n\n{line}".lstrip()
