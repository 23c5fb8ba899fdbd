"""What work costs: numbered price lists that are only ever added to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row

_INSTANT = DateTime(timezone=True)


class PriceVersionRow(Row):
    """One price list. The newest that is in force prices new work; running work keeps the one it was quoted by."""

    __tablename__ = "price_versions"
    __table_args__ = (Index("uq_price_versions_source", "source", unique=True),)

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    effective_from: Mapped[datetime] = mapped_column(_INSTANT, index=True, server_default=func.now())
    note: Mapped[str] = mapped_column(Text, server_default="")
    source: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[UUID | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())


class ActionCostRow(Row):
    """The price of one unit of one action, in micro-credits; `ground.metering.Use` says what a unit is."""

    __tablename__ = "action_costs"
    __table_args__ = (CheckConstraint("unit_micro >= 0", name="unit_micro"),)

    version: Mapped[int] = mapped_column(ForeignKey("price_versions.version"), primary_key=True)
    action: Mapped[str] = mapped_column(Text, primary_key=True)
    unit_micro: Mapped[int] = mapped_column(BigInteger)
