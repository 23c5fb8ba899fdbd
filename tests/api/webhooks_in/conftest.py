"""The same API that takes payments, and an administrator of it."""

from tests.api.admin.conftest import admin, office
from tests.api.payments.conftest import paying_app, shop, stripe

__all__ = ["admin", "office", "paying_app", "shop", "stripe"]
