"""Counts every answered request of a known account: its route and how it was answered, never what was in it."""

from litestar.types import Message, Scope

from reelwright.accounts import Account
from reelwright.ground import clock
from reelwright.ledger import Recorder

_REFUSED, _FAILED = 400, 500


async def track_request(message: Message, scope: Scope) -> None:
    """Count the request as its answer begins. Demo accounts and strangers are not counted; nothing is waited for."""
    if message["type"] != "http.response.start":
        return
    account: Account | None = scope.get("state", {}).get("account")
    if account is None or account.demo:
        return
    recorder: Recorder = scope["litestar_app"].state.recorder
    status = message["status"]
    outcome = "failed" if status >= _FAILED else "refused" if status >= _REFUSED else "answered"
    route = f"{scope.get('method')} {scope['path_template']}"
    recorder.asked(account.id, route=route, outcome=outcome, at=clock.now())
