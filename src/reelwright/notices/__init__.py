"""The notices room: what people are told once, by e-mail and by webhook, and sent until it arrives."""

from reelwright.notices.deliveries import (
    EndpointDisabled,
    Parcel,
    Receipt,
    claim_deliveries,
    deliveries,
    delivery,
    replay,
    settle_delivery,
)
from reelwright.notices.endpoints import (
    AddressRefused,
    EndpointChange,
    EndpointChanged,
    Endpoints,
    EventUnknown,
    Reach,
    TooManyEndpoints,
)
from reelwright.notices.mailbox import Mail, Outcome, Verdict, claim_mails, put_back, settle_mail, unwanted
from reelwright.notices.model import CHOOSABLE, EVENTS, LETTERS, Delivery, Endpoint, Kind, Try, Wanted, message_id
from reelwright.notices.post import MailSettingRefused, Post, SendMail
from reelwright.notices.secrecy import opened, seal_anew, sealed
from reelwright.notices.telling import (
    PreferencesChanged,
    choose,
    forget,
    preferences,
    preferences_version,
    tell,
    tell_test,
)
from reelwright.notices.tokens import proof_in

__all__ = [
    "CHOOSABLE",
    "EVENTS",
    "LETTERS",
    "AddressRefused",
    "Delivery",
    "Endpoint",
    "EndpointChange",
    "EndpointChanged",
    "EndpointDisabled",
    "Endpoints",
    "EventUnknown",
    "Kind",
    "Mail",
    "MailSettingRefused",
    "Outcome",
    "Parcel",
    "Post",
    "PreferencesChanged",
    "Reach",
    "Receipt",
    "SendMail",
    "TooManyEndpoints",
    "Try",
    "Verdict",
    "Wanted",
    "choose",
    "claim_deliveries",
    "claim_mails",
    "deliveries",
    "delivery",
    "forget",
    "message_id",
    "opened",
    "preferences",
    "preferences_version",
    "proof_in",
    "put_back",
    "replay",
    "seal_anew",
    "sealed",
    "settle_delivery",
    "settle_mail",
    "tell",
    "tell_test",
    "unwanted",
]
