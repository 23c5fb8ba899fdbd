"""What a chat model is told to write stories, and how its answer is read: source as data, claims only from it."""

import re
import secrets

import msgspec

from reelwright.ground.cleaning import line_of, visible, words_in
from reelwright.providers import openai_prompts as prompts
from reelwright.providers import platforms
from reelwright.providers.answers import Message
from reelwright.providers.evidence import evidence_of
from reelwright.providers.model import Brief, Look, ProposedBeat, ProposedStory
from reelwright.providers.openai_chat import FENCE, Reply
from reelwright.providers.story_checks import HOOK_WORDS, Told, doubts, speaks

LONGEST_HOOK = 300  # characters
LONGEST_CAPTION = 500

_LONGEST_SOURCE = 24_000  # characters, about 6,000 tokens
_WORDS_OFF = 0.2  # beyond this share of the wanted words a repair is worth its price
_LONGEST_LOOK = 200
_MOST_RECENT = 20  # titles and hooks
_MOST_FAULTS = 6  # that a repair is asked for
_LINK = re.compile(
    r"!?\[([^\[\]]{0,200})\]\((?:[^()]|\([^()]{0,200}\)){0,500}\)|(?:[a-z][a-z0-9+.\-]{1,20}://|www\.)\S+"
    r"|(?:javascript|data|mailto):\S+"
    r"|(?<![\w.])(?:[a-z0-9\-]{1,63}\.){1,8}[a-z]{2,24}/\S+",
    re.IGNORECASE,
)
_LEAST_OWN = 40  # characters: a rule of ours that is as long stands in no story by chance
_OWN_WORDS = tuple(
    line.strip(" -").casefold()
    for text in (prompts.WRITER, prompts.EDITOR, prompts.FROM_SOURCE, prompts.WITHOUT_SOURCE, prompts.AVOID)
    for line in text.splitlines()
    if len(line) >= _LEAST_OWN and "{" not in line
)
_TAG = re.compile(r"[^\w]+")


class _Beat(msgspec.Struct, frozen=True):
    narration: str
    visual: str
    claim: str | None = None


class _Look(msgspec.Struct, frozen=True):
    palette: str = ""
    medium: str = ""
    characters: str = ""


class Story(msgspec.Struct, frozen=True):
    title: str
    hook: str
    synopsis: str
    arc: tuple[str, ...]
    beats: tuple[_Beat, ...]
    caption: str
    hashtags: tuple[str, ...]
    look: _Look = _Look()


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
        hook_words=HOOK_WORDS,
        caption=platforms.CAPTION,
        seen=platforms.limits(brief.platform).seen,
        hashtags=platforms.most_hashtags(brief.platform),
        facts_rule=prompts.FROM_SOURCE if known else prompts.WITHOUT_SOURCE,
    )
    if brief.variants > 1:
        rules += prompts.SEVERAL
    if brief.take:
        rules += prompts.TOLD_BEFORE.format(take=brief.take)
    if brief.recent:
        rules += prompts.AVOID
    return [{"role": "system", "content": rules}, {"role": "user", "content": sourced(brief)}]


def sourced(brief: Brief) -> str:
    """Return the subject, and between lines that hold a token what was told lately, and the source."""
    token = secrets.token_hex(8)  # a page can't close a fence that it can't foresee
    source = visible(brief.facts.body)[:_LONGEST_SOURCE] if brief.facts.kind != "none" else ""
    title = line_of(brief.facts.title)
    lately = "\n".join(line_of(told)[:LONGEST_HOOK] for told in brief.recent[:_MOST_RECENT])
    recent = f"RECENT {token}\n{lately}\nRECENT {token}\n" if lately else ""
    return f"Subject: {line_of(brief.topic)}\n{recent}\nSOURCE {token}\n{title}\n\n{source}\nSOURCE {token}"


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
        return None, faults[:_MOST_FAULTS]
    words = [sum(words_in(beat.narration) for beat in story.beats) for story in stories]
    wrong = [
        f"story {n} has {count} words of narration instead of {brief.words}"
        for n, count in enumerate(words, 1)
        if abs(count - brief.words) > _WORDS_OFF * brief.words
    ]
    told = [Told(title=story.title, hook=spoken(story.hook), narration=narration(story)) for story in stories]
    return stories, (wrong + doubts(told, brief.recent))[:_MOST_FAULTS]


def narration(story: Story) -> str:
    """Return all that is spoken."""
    return " ".join(spoken(beat.narration) for beat in story.beats)


def _faults(story: Story, brief: Brief) -> list[str]:
    faults: list[str] = []
    if len(story.beats) != brief.scenes:
        faults.append(f"a story has {len(story.beats)} beats instead of {brief.scenes}")
    if not all(words_in(spoken(beat.narration)) and line_of(beat.visual) for beat in story.beats):
        faults.append("a beat has no narration or no visual")
    if not (line_of(story.title) and line_of(story.hook)):
        faults.append("a story has no title or no hook")
    if not speaks(narration(story), brief.language):
        faults.append(f"its narration isn't in the language with the code {brief.language}")
    return faults


def proposed(story: Story, brief: Brief) -> ProposedStory:
    """Return a story without links, of bounded lengths, with the claims that are the source's own sentences."""
    evidence = evidence_of(brief)
    return ProposedStory(
        title=spoken(story.title)[:120],
        hook=spoken(story.hook)[:LONGEST_HOOK],
        synopsis=spoken(story.synopsis)[:600],
        arc=tuple(line_of(part)[:60] for part in story.arc[: brief.scenes]),
        beats=tuple(
            ProposedBeat(
                narration=spoken(beat.narration),
                visual=spoken(beat.visual)[:400],
                claim=evidence.behind(beat.claim, spoken(beat.narration)),
            )
            for beat in story.beats
        ),
        caption=spoken(story.caption)[:LONGEST_CAPTION],
        hashtags=hashtags_of(story.hashtags, brief.platform),
        outline=brief.facts.kind == "none",
        look=_look(story.look),
    )


def _look(said: _Look) -> Look | None:
    """Return a look that says both how and in which colours, in bounded words; None else: there is a usual one."""
    palette, medium, characters = (
        spoken(text)[:_LONGEST_LOOK].rstrip(" .") for text in (said.palette, said.medium, said.characters)
    )
    return Look(palette=palette, medium=medium, characters=characters) if palette and medium else None


def repeats_rules(answer: str) -> bool:
    """Say whether an answer gives our instructions away, or the fence, as a page may have asked it to."""
    said = line_of(answer).casefold()
    return FENCE.search(answer) is not None or any(words in said for words in _OWN_WORDS)


def hashtags_of(said: tuple[str, ...], platform: str) -> tuple[str, ...]:
    """Return the model's hashtags as single lower-case words, each once, as many as the platform takes."""
    tags = (_TAG.sub("", line_of(tag)).lower()[:40] for tag in said)
    return tuple(dict.fromkeys(tag for tag in tags if tag))[: platforms.most_hashtags(platform)]


def spoken(text: str) -> str:
    """Return one line without links: no address that a model wrote ever reaches a viewer."""
    return line_of(_LINK.sub(lambda match: match[1] or "", text))


def unfenced(text: str) -> str:
    """Return the JSON of an answer that came in a Markdown fence, as some servers send it."""
    bare = text.strip()
    if bare.startswith("```"):
        bare = bare.partition("\n")[2].rpartition("```")[0]
    return bare
