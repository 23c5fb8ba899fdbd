"""The outbox room: a message is promised in the transaction that makes it true, and published afterwards."""

from reelwright.outbox.depth import TooDeep, check_depth
from reelwright.outbox.messages import FAILED, GENERATE, TICK, Message, NotOurs, NotYetKnown, StageDue, decoded, encoded
from reelwright.outbox.promises import (
    CHANNEL,
    NOTIFIED,
    Backlog,
    Parked,
    backlog,
    enqueue,
    forget,
    parked,
    promised,
    promising,
    unpark,
)
from reelwright.outbox.relay import Destination, Relay
from reelwright.outbox.tables import OutboxRow

__all__ = [
    "CHANNEL",
    "FAILED",
    "GENERATE",
    "NOTIFIED",
    "TICK",
    "Backlog",
    "Destination",
    "Message",
    "NotOurs",
    "NotYetKnown",
    "OutboxRow",
    "Parked",
    "Relay",
    "StageDue",
    "TooDeep",
    "backlog",
    "check_depth",
    "decoded",
    "encoded",
    "enqueue",
    "forget",
    "parked",
    "promised",
    "promising",
    "unpark",
]
