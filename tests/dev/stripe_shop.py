"""A shop at the simulated Stripe: the official SDK, a receiver that checks every signature, and a first customer."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import stripe
from aiohttp import web

from reelwright.dev.child import free_port
from tests.simulators.stripe import WEBHOOK_SECRET, SimulatedStripe, simulated_stripe

Tools = tuple[stripe.HTTPClient, httpx.AsyncClient]
THANKS, BACK = "http://shop.example/thanks?of={CHECKOUT_SESSION_ID}", "http://shop.example/back"


@dataclass
class Shop:
    """`heard` are the events that the receiver took, as the official SDK reads them; `answers` its next statuses."""

    sim: SimulatedStripe
    v1: Any
    page: httpx.AsyncClient
    heard: list[stripe.Event] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    customer: str = ""

    async def price(self, lookup_key: str) -> str:
        [found] = (await self.v1.prices.list_async({"lookup_keys": [lookup_key], "active": True})).data
        return found.id

    async def session(self, lookup_key: str, *, mode: str = "payment", **more: Any) -> Any:
        """A checkout of one piece for the first customer."""
        return await self.v1.checkout.sessions.create_async(
            {
                "mode": mode,
                "customer": self.customer,
                "client_reference_id": "account-1",
                "line_items": [{"price": await self.price(lookup_key), "quantity": 1}],
                "metadata": {"attempt_id": "a-1"},
                "success_url": THANKS,
                "cancel_url": BACK,
                **more,
            }
        )

    async def subscribed(self, lookup_key: str) -> Any:
        """A subscription that the first customer has paid for."""
        session = await self.session(lookup_key, mode="subscription", subscription_data={"metadata": {"user": "1"}})
        return await self.v1.subscriptions.retrieve_async(self.sim.pay(session.id)["subscription"])

    async def charged(self, lookup_key: str) -> Any:
        """The charge of something that the first customer has bought."""
        paid = self.sim.pay((await self.session(lookup_key)).id)
        intent = await self.v1.payment_intents.retrieve_async(paid["payment_intent"], {"expand": ["latest_charge"]})
        return intent.latest_charge

    def types(self, *prefixes: str) -> list[str]:
        """What happened, in order; of what begins so."""
        return [each["type"] for each in self.sim.events() if each["type"].startswith(prefixes)]

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.answers and (status := self.answers.pop(0)) != 200:
            return web.Response(status=status)
        self.heard.append(stripe.Webhook.construct_event(body, request.headers["Stripe-Signature"], WEBHOOK_SECRET))
        assert json.loads(body)["id"] == self.heard[-1].id
        return web.Response()


@asynccontextmanager
async def clients() -> AsyncIterator[Tools]:
    """What the SDK sends with, and a browser: each takes a while to make."""
    http = stripe.HTTPXClient(timeout=10)
    async with httpx.AsyncClient() as page:
        yield http, page
    await http.close_async()


@asynccontextmanager
async def opened(http: stripe.HTTPClient, page: httpx.AsyncClient, *, webhooks: bool = False) -> AsyncIterator[Shop]:
    """Open a shop with one customer at a fresh account."""
    url = f"http://127.0.0.1:{(port := free_port())}/webhooks/stripe" if webhooks else ""
    receiver = web.Application()
    async with simulated_stripe(url) as sim:
        client = stripe.StripeClient(
            sim.secret_key, base_addresses={"api": sim.url}, http_client=http, max_network_retries=2
        )
        shop = Shop(sim, client.v1, page)
        receiver.router.add_post("/webhooks/stripe", shop.take)
        runner = web.AppRunner(receiver, access_log=None)
        await runner.setup()
        if webhooks:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        made = await shop.v1.customers.create_async({"email": "ada@example.com", "metadata": {"user_id": "account-1"}})
        shop.customer = made.id
        try:
            yield shop
        finally:
            await runner.cleanup()
