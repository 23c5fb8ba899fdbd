"""The local delivery server, to which the unmodified qstash SDK talks. It keeps all in memory: rows are the truth."""

from reelwright.dev.delivery.app import DeliveryApp
from reelwright.dev.delivery.engine import Engine, Faults

__all__ = ["DeliveryApp", "Engine", "Faults"]
