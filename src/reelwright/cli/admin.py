"""What an operator does to accounts from the command line."""

import asyncio
import secrets
from collections.abc import Mapping

from reelwright.billing import Plan
from reelwright.ground import clock, postgres
from reelwright.journeys import onboarding

LOCAL_USER = "you@reelwright.local"
LOCAL_ADMIN = "admin@reelwright.local"


async def _create(url: str, *, email: str, plan: str, admin: bool, live: bool) -> dict[str, str]:
    db = postgres.connect(url, name="reelwright-cli", pool_size=1)
    try:
        welcome = await onboarding.create_user(
            email=email, plan=Plan(plan), role="admin" if admin else "user", live=live, db=db, now=clock.now()
        )
    finally:
        await db.close()
    return {"user_id": str(welcome.account.id), "email": email, "plan": plan, "api_key": welcome.secret}


def create_user(url: str, *, email: str, plan: str, admin: bool, live: bool) -> dict[str, str]:
    """Make an account; returns user_id, email, plan and the api_key, which is shown this once."""
    return asyncio.run(_create(url, email=email, plan=plan, admin=admin, live=live))


async def _first(url: str) -> dict[str, str]:
    db = postgres.connect(url, name="reelwright-cli", pool_size=1)
    found: dict[str, str] = {}
    try:
        for name, email, role in (("api_key", LOCAL_USER, "user"), ("admin_api_key", LOCAL_ADMIN, "admin")):
            secret = await onboarding.key_for(email=email, live=False, db=db)
            if secret is None:
                welcome = await onboarding.create_user(
                    email=email, plan=Plan.PRO, role=role, live=False, db=db, now=clock.now()
                )
                secret = welcome.secret
            found[name] = secret
    finally:
        await db.close()
    return found


def first_users(url: str) -> Mapping[str, str]:
    """Make sure that a local stack has a user and an admin; returns a fresh api_key and admin_api_key."""
    return asyncio.run(_first(url))


def new_idempotency_key() -> str:
    """Return a key that nobody used before."""
    return secrets.token_urlsafe(18)
