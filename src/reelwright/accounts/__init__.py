"""The accounts room: who asks, with which key, and which plan, subscriptions and boosts they hold."""

from reelwright.accounts.boosts import Boosts
from reelwright.accounts.keys import well_formed
from reelwright.accounts.model import GRACE, Account, ApiKey, Boost, PaidPeriod, Subscription, SubscriptionTold
from reelwright.accounts.replays import KeyReused, Replays, RequestKey
from reelwright.accounts.repository import Accounts, BoostNotNeeded, EmailInvalid, EmailTaken, SourceUsed
from reelwright.accounts.subscriptions import CustomerTaken, Subscriptions, SubscriptionTaken

__all__ = [
    "GRACE",
    "Account",
    "Accounts",
    "ApiKey",
    "Boost",
    "BoostNotNeeded",
    "Boosts",
    "CustomerTaken",
    "EmailInvalid",
    "EmailTaken",
    "KeyReused",
    "PaidPeriod",
    "Replays",
    "RequestKey",
    "SourceUsed",
    "Subscription",
    "SubscriptionTaken",
    "SubscriptionTold",
    "Subscriptions",
    "well_formed",
]
