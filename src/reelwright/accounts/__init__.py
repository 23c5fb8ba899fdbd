"""The accounts room: who asks, how they sign in, with which key, and which plan, subscriptions and boosts they hold."""

from reelwright.accounts.audit import AdminAction, AdminActions
from reelwright.accounts.boosts import Boosts
from reelwright.accounts.departures import Departure, Departures
from reelwright.accounts.exports import Export, Exports, ExportTooSoon
from reelwright.accounts.keys import well_formed
from reelwright.accounts.listing import listed
from reelwright.accounts.model import (
    GRACE,
    Account,
    ApiKey,
    Boost,
    Caller,
    PaidPeriod,
    Proof,
    ProofId,
    Session,
    SessionId,
    SignIn,
    Subscription,
    SubscriptionTold,
)
from reelwright.accounts.passwords import PasswordRefused, Passwords
from reelwright.accounts.proofs import Proofs, Proven, Purpose
from reelwright.accounts.replays import KeyReused, Replays, RequestKey
from reelwright.accounts.repository import (
    HELD,
    Accounts,
    BoostNotNeeded,
    EmailInvalid,
    EmailTaken,
    SourceUsed,
    address_of,
)
from reelwright.accounts.scopes import Scope, covers
from reelwright.accounts.sessions import Sessions
from reelwright.accounts.sign_ins import AccountChanged, SignIns
from reelwright.accounts.subscriptions import CustomerTaken, Subscriptions, SubscriptionTaken
from reelwright.accounts.tickets import Tickets

__all__ = [
    "GRACE",
    "HELD",
    "Account",
    "AccountChanged",
    "Accounts",
    "AdminAction",
    "AdminActions",
    "ApiKey",
    "Boost",
    "BoostNotNeeded",
    "Boosts",
    "Caller",
    "CustomerTaken",
    "Departure",
    "Departures",
    "EmailInvalid",
    "EmailTaken",
    "Export",
    "ExportTooSoon",
    "Exports",
    "KeyReused",
    "PaidPeriod",
    "PasswordRefused",
    "Passwords",
    "Proof",
    "ProofId",
    "Proofs",
    "Proven",
    "Purpose",
    "Replays",
    "RequestKey",
    "Scope",
    "Session",
    "SessionId",
    "Sessions",
    "SignIn",
    "SignIns",
    "SourceUsed",
    "Subscription",
    "SubscriptionTaken",
    "SubscriptionTold",
    "Subscriptions",
    "Tickets",
    "address_of",
    "covers",
    "listed",
    "well_formed",
]
