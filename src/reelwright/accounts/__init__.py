"""The accounts room: who asks, with which key, and which plan and boost they hold."""

from reelwright.accounts.keys import well_formed
from reelwright.accounts.model import Account, ApiKey
from reelwright.accounts.repository import Accounts, BoostNotNeeded, EmailInvalid, EmailTaken, SourceUsed

__all__ = ["Account", "Accounts", "ApiKey", "BoostNotNeeded", "EmailInvalid", "EmailTaken", "SourceUsed", "well_formed"]
