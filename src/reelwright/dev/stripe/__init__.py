"""The simulated Stripe, to which the unmodified stripe SDK talks: an account in memory, in which no money moves."""

from reelwright.dev.stripe.app import StripeApp
from reelwright.dev.stripe.book import API_VERSION, Book
from reelwright.dev.stripe.keys import Keys
from reelwright.dev.stripe.webhooks import Faults, Webhooks

__all__ = ["API_VERSION", "Book", "Faults", "Keys", "StripeApp", "Webhooks"]
