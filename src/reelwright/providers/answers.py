"""What a chat model was asked and what it said, whichever protocol carried it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is put to a model: `schema` (a JSON schema) is what its answer must fit."""

    messages: tuple[Message, ...]
    name: str
    schema: Mapping[str, Any]
    most_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came back: `text` None where there was no answer at all, `counted` False where nothing was counted.

    `cached_tokens` are those of the prompt that the provider remembered, and asks less for.
    """

    text: str | None
    declined: bool
    finished: bool
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    counted: bool = True
