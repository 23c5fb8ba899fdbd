"""The administrator of the neighbouring tests."""

from tests.api.admin.conftest import admin, office

__all__ = ["admin", "office"]
