"""What is asked of admission and what it answers: orders in, admissions out, and the refusals between."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from reelwright.admission.policy import Limits, Policy
from reelwright.ground.errors import Kind, Outage, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId

USUAL_RUN = timedelta(minutes=1)
"""A place is promised back no later than this, whatever its lease says: leases outlive work, they don't measure it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place at a provider's model in a lane (`interactive` or `batch`): at most `cap` in it, `capacity` in both.

    `rival` is the other lane, for which `rival_floor` places are always kept. Without one the lane is alone. `instead`:
    who may do the work in this one's stead, in order; nothing is taken there.
    """

    provider: str
    model: str
    lane: str
    cap: int
    capacity: int | None = None
    rival: str | None = None
    rival_floor: int = 0
    instead: "tuple[Place, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What PostgreSQL says of an account's plan. `version` grows with every change of plan or boost."""

    plan: str
    version: int
    boost_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """What an account may do: the plan it holds, until when it is boosted, and the limits that hold just now."""

    plan: str
    version: int
    boost_until: datetime | None
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request to start one generation. `key` is the caller's raw Idempotency-Key, `fingerprint` its body's digest.

    `draft` is given where the regeneration cooldown counts, `place` where the first stage needs a provider. `held` is
    what the caller read; where Redis knows better, PostgreSQL is asked again.
    """

    account: AccountId
    lease: GenerationId
    scope: str
    key: str
    fingerprint: str
    held: Held
    generation_units: int = 1
    full_units: int = 0
    draft: DraftId | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What PostgreSQL knows of an account in two periods, refunded generations left out of the month.

    `leases` are live generations with their deadlines, `cooldowns` drafts with the generation that cools them; `held`
    is the plan, where it was read along.
    """

    generations_month: int
    generations_hour: int
    full_month: int
    leases: Sequence[tuple[GenerationId, datetime]] = ()
    cooldowns: Sequence[tuple[DraftId, GenerationId, datetime]] = ()
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """An account's counters as Redis holds them; None is a missing one.

    `busy`: an order of the account was between admission and commit, so that its rows may be one behind.
    """

    generations_month: int | None
    generations_hour: int | None
    full_month: int | None
    busy: bool = False


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one policy stands. `limit` None is no cap; `frees_at` None is unknown, or nothing to wait for."""

    policy: Policy
    limit: int | None
    used: int
    frees_at: datetime | None

    @property
    def remaining(self) -> int | None:
        """How many are left: never negative, though a smaller plan may leave more used than allowed. None: no cap."""
        return None if self.limit is None else max(self.limit - self.used, 0)

    def public(self) -> dict[str, object]:
        """Return the standing as a problem document shows it."""
        frees_at = self.frees_at and self.frees_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"policy": self.policy.value, "limit": self.limit, "used": self.used, "frees_at": frees_at}


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Everything was taken at `at`, by Redis's clock, under `limits`. Unconfirmed, the lease ends at `lease_until`."""

    at: datetime
    lease_until: datetime
    boosted: bool
    limits: Limits
    weighed: Callable[[], Sequence[Standing]]

    @property
    def standings(self) -> Sequence[Standing]:
        """All policies that were weighed, this order counted in. Worked out when asked for, after the decision."""
        return self.weighed()

    @property
    def remaining(self) -> Mapping[Policy, int | None]:
        """What is left of each policy that was weighed."""
        return {standing.policy: standing.remaining for standing in self.standings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The key has started this generation already; nothing was taken."""

    generation: GenerationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """Where an account stands, by Redis's clock, with nothing taken."""

    at: datetime
    entitlement: Entitlement
    boosted: bool
    standings: Sequence[Standing]


class NotAdmitted(Refusal):
    """Limits bind: `violations` names each, `wait` is how long until the last of them frees.

    `standings` are all policies that were weighed at `now`, those that don't bind too.
    """

    kind = Kind.LIMITED
    code = "admission.limited"

    def __init__(
        self, violations: Sequence[Standing], *, now: datetime, standings: Sequence[Standing] | None = None
    ) -> None:
        self.violations = tuple(violations)
        self.standings = self.violations if standings is None else tuple(standings)
        self.now = now
        last = max(violations, key=lambda violation: violation.frees_at or now + USUAL_RUN)
        super().__init__(
            " ".join(_SENTENCES[violation.policy].format(limit=violation.limit) for violation in violations),
            wait=_wait(violations, now=now),
            extra={"violations": [violation.public() for violation in violations], "binding": last.policy.value},
        )


class NoPlace(Outage):
    """No limit of the account binds: the provider's places are taken, which is ours to mend."""

    code = "admission.full"

    def __init__(self, violations: Sequence[Standing], *, now: datetime) -> None:
        self.violations = tuple(violations)
        super().__init__("Every place for this work is taken: try again soon.", wait=_wait(violations, now=now))


class InProgress(Refusal):
    """The first request with this key is still being decided."""

    kind = Kind.CONFLICT
    code = "idempotency.in_progress"


class KeyReused(Refusal):
    """The key was used for another request."""

    kind = Kind.CHANGED
    code = "idempotency.key_reused"


class Unavailable(Outage):
    """Redis did not answer in time, so nobody may be admitted."""

    code = "admission.unavailable"


_SENTENCES = {
    Policy.COOLDOWN: "This draft was regenerated a moment ago: wait for its cooldown to end.",
    Policy.GENERATIONS_MONTH: "All {limit} generations of this month are used: wait for the next month or change plan.",
    Policy.GENERATIONS_HOUR: "All {limit} generations of this hour are used: try again in the next hour.",
    Policy.FULL_REGENERATIONS_MONTH: "All {limit} full regenerations of this month are used: "
    "wait for the next month, change plan or regenerate a part.",
    Policy.CONCURRENT: "{limit} of your generations are running already: wait for one to end or cancel one.",
    Policy.PROVIDER_PLACE: "The provider's places are all taken: try again soon.",
}


def _wait(violations: Sequence[Standing], *, now: datetime) -> timedelta:
    frees = [violation.frees_at or now + USUAL_RUN for violation in violations]
    return max(max(frees) - now, timedelta(0))
