"""A fuse before each provider's model in this process: its circuit and its retry budget, with their metrics."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from reelwright.ground import telemetry
from reelwright.ground.log import logger
from reelwright.providers.circuit import Circuit, Held, RetryBudget, State, Verdict
from reelwright.providers.model import CIRCUIT_OPEN, ProviderAway

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a model does here: `calls` and `failed` in the last 30 s, and `wait` until it may be asked again."""

    state: State
    wait: timedelta
    calls: int
    failed: int
    retries_left: float


class Fuse:
    """What stands before one model. Nothing here waits, so it serves any number of tasks of one event loop."""

    def __init__(self, provider: str, model: str, *, clock: Callable[[], float]) -> None:
        self._names = (provider, model)
        self._circuit = Circuit(clock=clock)
        self._budget = RetryBudget()
        self._show()

    def admit(self) -> int:
        """Let one call through and return its ticket for `settle`. Raises ProviderAway (CIRCUIT_OPEN)."""
        try:
            return self._circuit.admit()
        except Held as held:
            telemetry.PROVIDER_CALLS.labels(*self._names, "circuit_open").inc()
            resting = ProviderAway(
                "The provider failed again and again; it gets a rest.",
                code=CIRCUIT_OPEN,
                wait=timedelta(seconds=held.wait_s),
            )
            resting.ours = True
            raise resting from None

    def settle(self, ticket: int, verdict: Verdict) -> None:
        """Count how an admitted call ended."""
        before = self._circuit.state
        self._circuit.settle(ticket, verdict)
        if verdict is Verdict.ANSWERED:
            self._budget.earn()
        after = self._circuit.state
        if before is not after:
            _log.warning(
                "provider.circuit",
                provider=self._names[0],
                model=self._names[1],
                state=after,
                wait_s=self._circuit.wait_s,
            )
        self._show()

    def may_retry(self) -> bool:
        """Take one retry from the budget; False where failures have used it up. An open circuit turns it away, free."""
        granted = self._circuit.state is State.OPEN or self._budget.take()
        self._show()
        return granted

    def health(self) -> Health:
        """Return how the model does now."""
        calls, failed = self._circuit.recent()
        return Health(
            state=self._circuit.state,
            wait=timedelta(seconds=self._circuit.wait_s),
            calls=calls,
            failed=failed,
            retries_left=self._budget.left,
        )

    def _show(self) -> None:
        telemetry.CIRCUIT_OPEN.labels(*self._names).set(self._circuit.state is not State.CLOSED)
        telemetry.RETRY_BUDGET.labels(*self._names).set(self._budget.left)


class Fuses:
    """One fuse for each (provider, model), made when it is first called."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fuses: dict[tuple[str, str], Fuse] = {}

    def of(self, provider: str, model: str) -> Fuse:
        """Return the model's fuse."""
        key = (provider, model)
        if key not in self._fuses:
            self._fuses[key] = Fuse(provider, model, clock=self._clock)
        return self._fuses[key]

    def health(self) -> Mapping[tuple[str, str], Health]:
        """Return how each model that was called does now."""
        return {names: fuse.health() for names, fuse in self._fuses.items()}


PROCESS = Fuses()
"""What every toolset of this process shares: two clients of one model learn from each other."""
