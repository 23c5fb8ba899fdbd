"""The notices room: what people are told once, by e-mail and by webhook, and sent until it arrives."""

from reelwright.notices.model import CHOOSABLE, EVENTS, Delivery, Endpoint, Kind, Try, Wanted, message_id
from reelwright.notices.telling import choose, forget, preferences, tell, tell_test

__all__ = [
    "CHOOSABLE",
    "EVENTS",
    "Delivery",
    "Endpoint",
    "Kind",
    "Try",
    "Wanted",
    "choose",
    "forget",
    "message_id",
    "preferences",
    "tell",
    "tell_test",
]
