"""What travels through the queue. Every message is tagged with its name and version."""

import msgspec

from reelwright.ground.ids import GenerationId, StageRunId


class StageDue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="message", tag="stage_due.v1"):
    """One stage run may start. The row decides whether it does; the rest is for people who read logs."""

    generation_id: GenerationId
    run_id: StageRunId
    stage: str
    scene: int | None = None
    chunk: int | None = None
    round: int = 0
    request_id: str | None = None


Message = StageDue  # a union as soon as there is a second message

_decoder = msgspec.json.Decoder(Message)


def encoded(message: Message) -> bytes:
    """Return the message's bytes: ASCII-safe JSON."""
    return msgspec.json.encode(message)


def decoded(body: bytes) -> Message:
    """Read a message. Raises msgspec.ValidationError for one that no retry can mend."""
    return _decoder.decode(body)
