"""When to stop calling a model that keeps failing, and how many retries its load may grow by: pure, clock injected."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Verdict(Enum):
    """What the end of a call says about the provider's health.

    A 4xx, 429 among them, is an answer: it is not counted. An abandoned call says nothing.
    """

    ANSWERED = auto()
    DECLINED = auto()
    FAILED = auto()
    UNREACHED = auto()
    ABANDONED = auto()


class State(StrEnum):
    """Calls go through; none does; a few do, to see whether the provider is well again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When a circuit opens, and for how long. The numbers are those of the reliability notes, 4.12."""

    window_s: float = 30.0
    fewest_calls: int = 10
    failed_share: float = 0.5
    unreached_in_a_row: int = 5
    first_rest_s: float = 15.0
    longest_rest_s: float = 120.0
    probes: int = 2
    probe_wait_s: float = 2.0


class Held(Exception):  # noqa: N818 - not an error: the circuit is open
    """The call may not be made; ask again after `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


class Circuit:
    """Opens on half of ten or more calls failing in 30 s, or on five unreached in a row; after a rest two calls probe.

    Both must be answered, then it closes; one that fails begins the next rest, twice as long. A call that began before
    the last change of state says nothing about now, and isn't counted.
    """

    def __init__(self, rules: Rules | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules or Rules()
        self._clock = clock
        self._recent: deque[tuple[float, bool]] = deque()
        self._unreached = 0
        self._rest_s = 0.0  # of the present opening; 0 while closed
        self._rests_until = 0.0
        self._probing = self._probed = 0
        self._era = 0

    @property
    def state(self) -> State:
        """Return whether calls go through now."""
        if not self._rest_s:
            return State.CLOSED
        return State.OPEN if self.wait_s > 0 else State.HALF_OPEN

    @property
    def wait_s(self) -> float:
        """Return how long the rest lasts yet; 0 where there is none."""
        return max(0.0, self._rests_until - self._clock()) if self._rest_s else 0.0

    def recent(self) -> tuple[int, int]:
        """Return the counted calls of the window, and how many of them failed."""
        since = self._clock() - self._rules.window_s
        while self._recent and self._recent[0][0] <= since:
            self._recent.popleft()
        return len(self._recent), sum(failed for _, failed in self._recent)

    def admit(self) -> int:
        """Let one call through and return its ticket for `settle`. Raises Held."""
        if self.state is State.OPEN:
            raise Held(self.wait_s)
        if self.state is State.HALF_OPEN:
            if self._probing + self._probed >= self._rules.probes:
                raise Held(self._rules.probe_wait_s)
            self._probing += 1
        return self._era

    def settle(self, ticket: int, verdict: Verdict) -> None:
        """Count how an admitted call ended."""
        if ticket != self._era:
            return
        if self._rest_s:
            self._settle_probe(verdict)
        else:
            self._count(verdict)

    def _settle_probe(self, verdict: Verdict) -> None:
        self._probing -= 1
        if verdict is Verdict.ANSWERED:
            self._probed += 1
            if self._probed >= self._rules.probes:
                self._change(rest_s=0.0)
        elif verdict in {Verdict.FAILED, Verdict.UNREACHED}:
            self._change(rest_s=min(2 * self._rest_s, self._rules.longest_rest_s))

    def _count(self, verdict: Verdict) -> None:
        if verdict is Verdict.ABANDONED:
            return
        self._unreached = self._unreached + 1 if verdict is Verdict.UNREACHED else 0
        if verdict is Verdict.DECLINED:
            return
        self._recent.append((self._clock(), verdict is not Verdict.ANSWERED))
        calls, failed = self.recent()
        failing = calls >= self._rules.fewest_calls and failed >= self._rules.failed_share * calls
        if failing or self._unreached >= self._rules.unreached_in_a_row:
            self._change(rest_s=self._rules.first_rest_s)

    def _change(self, *, rest_s: float) -> None:
        self._rest_s, self._rests_until = rest_s, self._clock() + rest_s
        self._recent.clear()
        self._unreached = self._probing = self._probed = 0
        self._era += 1


class RetryBudget:
    """Bounds retries to about a tenth of what is answered (Google's SRE book, "Handling Overload"), with ten in hand.

    Counted in tenths, so that ten answers make exactly one retry.
    """

    _MOST, _RETRY, _ANSWER = 100, 10, 1

    def __init__(self) -> None:
        self._tenths = self._MOST

    @property
    def left(self) -> float:
        """Return how many retries are left."""
        return self._tenths / self._RETRY

    def take(self) -> bool:
        """Take one retry; False where none is left."""
        if self._tenths < self._RETRY:
            return False
        self._tenths -= self._RETRY
        return True

    def earn(self) -> None:
        """Add what an answered call earns."""
        self._tenths = min(self._MOST, self._tenths + self._ANSWER)
