"""What a chat model is told to write stories, and how its answer is read: source as data, claims only from it."""

import re
import secrets

import msgspec

from reelwright.providers import openai_prompts as prompts
from reelwright.providers.answers import Message
from reelwright.providers.cleaning import line_of, visible, words_in
from reelwright.providers.model import Brief, ProposedBeat, ProposedStory
from reelwright.providers.openai_chat import FENCE, Reply

LONGEST_HOOK = 300  # characters
LONGEST_CAPTION = 500

_LONGEST_SOURCE = 24_000  # characters, about 6,000 tokens
_WORDS_OFF = 0.2  # beyond this share of the wanted words a repair is worth its price
_MOST_HASHTAGS = 8
_LINK = re.compile(
    r"!?\[([^\[\]]{0,200})\]\([^()]{0,500}\)|(?:[a-z][a-z0-9+.\-]{1,20}://|www\.)\S+|(?:javascript|data|mailto):\S+"
    r"|(?<![\w.])(?:[a-z0-9\-]{1,63}\.){1,8}[a-z]{2,24}/\S+",
    re.IGNORECASE,
)
_LEAST_OWN = 40  # characters: a rule of ours that is as long stands in no story by chance
_OWN_WORDS = tuple(
    line.strip(" -").casefold()
    for line in f"{prompts.WRITER}\n{prompts.EDITOR}\n{prompts.FROM_SOURCE}\n{prompts.WITHOUT_SOURCE}".splitlines()
    if len(line) >= _LEAST_OWN and "{" not in line
)
_TAG = re.compile(r"[^\w]+")


class _Beat(msgspec.Struct, frozen=True):
    narration: str
    visual: str
    claim: str | None = None


class Story(msgspec.Struct, frozen=True):
    title: str
    hook: str
    synopsis: str
    arc: tuple[str, ...]
    beats: tuple[_Beat, ...]
    caption: str
    hashtags: tuple[str, ...]


class _Stories(msgspec.Struct, frozen=True):
    stories: tuple[Story, ...]


def messages(brief: Brief) -> list[Message]:
    """Return the rules as system words, and the source as what the user hands over."""
    known = brief.facts.kind != "none"
    rules = prompts.WRITER.format(
        language=brief.language,
        tone=brief.tone,
        platform=brief.platform,
        variants=brief.variants,
        scenes=brief.scenes,
        words=brief.words,
        duration_s=brief.duration_s,
        facts_rule=prompts.FROM_SOURCE if known else prompts.WITHOUT_SOURCE,
    )
    if brief.take:
        rules += prompts.TOLD_BEFORE.format(take=brief.take)
    return [{"role": "system", "content": rules}, {"role": "user", "content": sourced(brief)}]


def sourced(brief: Brief) -> str:
    """Return the subject and its source between two lines that hold a token."""
    token = secrets.token_hex(8)  # a page can't close a fence that it can't foresee
    source = visible(brief.facts.body)[:_LONGEST_SOURCE] if brief.facts.kind != "none" else ""
    title = line_of(brief.facts.title)
    return f"Subject: {line_of(brief.topic)}\n\nSOURCE {token}\n{title}\n\n{source}\nSOURCE {token}"


def read(reply: Reply, brief: Brief) -> tuple[tuple[Story, ...] | None, list[str]]:
    """Return the stories, or None where they can't be used at all, and what is wrong with them."""
    if not reply.finished:
        return None, ["it is too long and was cut off"]
    if repeats_rules(reply.text):
        return None, ["it repeats its instructions"]
    try:
        stories = msgspec.json.decode(unfenced(reply.text), type=_Stories).stories
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None, ["it isn't the agreed JSON object"]
    faults = [fault for story in stories for fault in _faults(story, brief)]
    if len(stories) != brief.variants:
        faults.append(f"it has {len(stories)} stories instead of {brief.variants}")
    if faults:
        return None, faults[:6]
    words = [sum(words_in(beat.narration) for beat in story.beats) for story in stories]
    return stories, [
        f"story {n} has {count} words of narration instead of {brief.words}"
        for n, count in enumerate(words, 1)
        if abs(count - brief.words) > _WORDS_OFF * brief.words
    ]


def _faults(story: Story, brief: Brief) -> list[str]:
    faults: list[str] = []
    if len(story.beats) != brief.scenes:
        faults.append(f"a story has {len(story.beats)} beats instead of {brief.scenes}")
    if not all(words_in(spoken(beat.narration)) and line_of(beat.visual) for beat in story.beats):
        faults.append("a beat has no narration or no visual")
    if not (line_of(story.title) and line_of(story.hook)):
        faults.append("a story has no title or no hook")
    return faults


def proposed(story: Story, brief: Brief) -> ProposedStory:
    """Return a story without links, of bounded lengths, with the claims that the source supports."""
    source = line_of(brief.facts.body)
    return ProposedStory(
        title=spoken(story.title)[:120],
        hook=spoken(story.hook)[:LONGEST_HOOK],
        synopsis=spoken(story.synopsis)[:600],
        arc=tuple(line_of(part)[:60] for part in story.arc[: brief.scenes]),
        beats=tuple(
            ProposedBeat(
                narration=spoken(beat.narration),
                visual=spoken(beat.visual)[:400],
                claim=supported(beat.claim, source),
            )
            for beat in story.beats
        ),
        caption=spoken(story.caption)[:LONGEST_CAPTION],
        hashtags=hashtags_of(story.hashtags),
        outline=brief.facts.kind == "none",
    )


def repeats_rules(answer: str) -> bool:
    """Say whether an answer gives our instructions away, or the fence, as a page may have asked it to."""
    said = line_of(answer).casefold()
    return FENCE.search(answer) is not None or any(words in said for words in _OWN_WORDS)


def hashtags_of(said: tuple[str, ...]) -> tuple[str, ...]:
    """Return the model's hashtags as single lower-case words, each once, at most eight."""
    tags = (_TAG.sub("", line_of(tag)).lower()[:40] for tag in said)
    return tuple(dict.fromkeys(tag for tag in tags if tag))[:_MOST_HASHTAGS]


def supported(claim: str | None, source: str) -> str | None:
    """Return a claim that stands in the source, letter by letter but for spaces, else None."""
    said = line_of(claim or "")
    return said if said and said in source else None


def spoken(text: str) -> str:
    """Return one line without links: no address that a model wrote ever reaches a viewer."""
    return line_of(_LINK.sub(lambda match: match[1] or "", text))


def unfenced(text: str) -> str:
    """Return the JSON of an answer that came in a Markdown fence, as some servers send it."""
    bare = text.strip()
    if bare.startswith("```"):
        bare = bare.partition("\n")[2].rpartition("```")[0]
    return bare
