"""What goes wrong on purpose: REELWRIGHT_DELIVERY_FAULTS, or `PUT /v2/local/faults`; both hold the Struct as JSON."""

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares are probabilities, decided by a generator that starts anew from `seed` whenever faults are set."""

    drop: Share = 0.0  # accepted, and never delivered
    duplicate: Count = 0  # delivered so many times more
    delay_ms: Count = 0  # each attempt waits a random time up to this
    reorder: Share = 0.0  # sent behind all that are due
    lose_reply: Share = 0.0  # delivered, taken for unanswered, and so tried again
    stopped: bool = False  # accepted, and delivered when this is false again
    seed: int = 0
