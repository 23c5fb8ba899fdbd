"""What travels through the queue. Every message is tagged with its name and version."""

import re

import msgspec

from reelwright.ground.ids import GenerationId, StageRunId


class StageDue(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="message",
    tag="stage_due.v1",
):
    """One stage run may start. The row decides whether it does; the rest is for people who read logs and traces.

    `traceparent` is the W3C trace context of what queued it. What has its default is not sent, so that workers of the
    version before a new field go on reading all messages that don't need it.
    """

    generation_id: GenerationId
    run_id: StageRunId
    stage: str
    scene: int | None = None
    chunk: int | None = None
    round: int = 0
    request_id: str | None = None
    traceparent: str | None = None


GENERATE, TICK, FAILED = "/worker/generate", "/worker/tick", "/worker/failed"
"""The workers' paths for the queue: a message, the schedule's minute, and a message that the queue has given up on."""

Message = StageDue  # a union as soon as there is a second message

_decoder = msgspec.json.Decoder(Message)


class _Tagged(msgspec.Struct):
    message: str


_ours = msgspec.json.Decoder(_Tagged)
_TAG = re.compile(r"[a-z][a-z_]{0,60}\.v[1-9][0-9]{0,3}")


class NotOurs(ValueError):  # noqa: N818 - it says what the bytes are
    """The bytes are no message of ours, of any version: no retry and no deploy can mend that."""


class NotYetKnown(ValueError):  # noqa: N818 - it says what the bytes are
    """A message of ours that this code can't read: newer code can, so it should come again."""


def encoded(message: Message) -> bytes:
    """Return the message's bytes: ASCII-safe JSON."""
    return msgspec.json.encode(message)


def decoded(body: bytes) -> Message:
    """Read a message. Raises NotYetKnown, NotOurs."""
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        unread = error
    try:
        tag = _ours.decode(body).message
    except msgspec.MsgspecError as error:
        raise NotOurs("not a message of ours") from error
    if not _TAG.fullmatch(tag):
        raise NotOurs("not a message of ours")
    raise NotYetKnown(f"{tag} can't be read here: {unread}")
