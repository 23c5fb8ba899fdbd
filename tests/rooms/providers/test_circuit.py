"""The circuit and the retry budget by an injected clock: when they open, for how long, and how many may probe."""

import asyncio

import pytest

from reelwright.providers.circuit import Circuit, Held, RetryBudget, State, Verdict

OK, NO, BAD, GONE, LEFT = (
    Verdict.ANSWERED,
    Verdict.DECLINED,
    Verdict.FAILED,
    Verdict.UNREACHED,
    Verdict.ABANDONED,
)


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(clock=clock)


def calls(circuit: Circuit, *verdicts: Verdict) -> None:
    for verdict in verdicts:
        circuit.settle(circuit.admit(), verdict)


def opened(circuit: Circuit) -> None:
    calls(circuit, *[GONE] * 5)
    assert circuit.state is State.OPEN


def test_half_of_ten_calls_open_it_and_nine_never_do(circuit: Circuit) -> None:
    calls(circuit, *[OK] * 4, *[BAD] * 5)
    assert circuit.state is State.CLOSED
    calls(circuit, OK)
    assert circuit.state is State.OPEN


def test_less_than_half_does_not_open_it(circuit: Circuit) -> None:
    calls(circuit, *[OK, OK, BAD] * 20)
    assert circuit.state is State.CLOSED


def test_only_the_last_thirty_seconds_count(circuit: Circuit, clock: Clock) -> None:
    calls(circuit, *[BAD] * 9)
    clock.at += 30
    calls(circuit, *[BAD] * 9)
    assert circuit.recent() == (9, 9)
    assert circuit.state is State.CLOSED


def test_five_unreached_in_a_row_open_it_and_any_answer_breaks_the_row(circuit: Circuit) -> None:
    for answer in (OK, NO, BAD):
        calls(circuit, *[GONE] * 4 if answer is OK else [], answer)
    fresh = Circuit()
    calls(fresh, *[GONE] * 4, NO, *[GONE] * 4)
    assert (circuit.state, fresh.state) == (State.CLOSED, State.CLOSED)
    calls(fresh, GONE)
    assert fresh.state is State.OPEN


def test_f50_declined_and_abandoned_calls_are_not_counted(circuit: Circuit) -> None:
    """A 429 or a 401 says that the provider is there; a call that we gave up says nothing."""
    calls(circuit, *[NO] * 50, *[LEFT] * 50)
    assert (circuit.recent(), circuit.state) == ((0, 0), State.CLOSED)


def test_an_open_circuit_holds_every_call_and_says_how_long(circuit: Circuit, clock: Clock) -> None:
    opened(circuit)
    clock.at += 4
    with pytest.raises(Held) as held:
        circuit.admit()
    assert held.value.wait_s == 11


def test_the_rest_doubles_up_to_two_minutes_and_begins_anew_after_closing(circuit: Circuit, clock: Clock) -> None:
    opened(circuit)
    rests: list[float] = []
    for _ in range(6):
        rests.append(circuit.wait_s)
        clock.at += circuit.wait_s
        calls(circuit, BAD)
    assert rests == [15, 30, 60, 120, 120, 120]
    clock.at += circuit.wait_s
    calls(circuit, OK, OK)
    assert circuit.state is State.CLOSED
    opened(circuit)
    assert circuit.wait_s == 15


async def test_f57_exactly_two_probe_even_when_many_race(circuit: Circuit, clock: Clock) -> None:
    opened(circuit)
    clock.at += 15
    gate, through = asyncio.Event(), 0

    async def call() -> bool:
        nonlocal through
        try:
            ticket = circuit.admit()
        except Held:
            return False
        through += 1
        await gate.wait()
        circuit.settle(ticket, OK)
        return True

    racing = [asyncio.create_task(call()) for _ in range(100)]
    await asyncio.sleep(0)
    assert (through, circuit.state) == (2, State.HALF_OPEN)
    gate.set()
    assert sum(await asyncio.gather(*racing)) == 2
    assert circuit.state is State.CLOSED


def test_one_answered_probe_is_not_enough_and_makes_no_room_for_a_third(circuit: Circuit, clock: Clock) -> None:
    opened(circuit)
    clock.at += 15
    first, second = circuit.admit(), circuit.admit()
    circuit.settle(first, OK)
    with pytest.raises(Held):
        circuit.admit()
    circuit.settle(second, BAD)
    assert (circuit.state, circuit.wait_s) == (State.OPEN, 30)


@pytest.mark.parametrize("silent", [LEFT, NO])
def test_a_probe_that_says_nothing_makes_room_for_another(circuit: Circuit, clock: Clock, silent: Verdict) -> None:
    opened(circuit)
    clock.at += 15
    calls(circuit, *[silent] * 10)
    assert circuit.state is State.HALF_OPEN
    calls(circuit, OK, OK)
    assert circuit.state is State.CLOSED


def test_a_call_from_before_says_nothing_about_now(circuit: Circuit, clock: Clock) -> None:
    """Forty calls were under way as the circuit opened: their late failures must not close, open or lengthen it."""
    old = [circuit.admit() for _ in range(40)]
    opened(circuit)
    for ticket in old[:20]:
        circuit.settle(ticket, BAD)
    assert circuit.wait_s == 15
    clock.at += 15
    probes = circuit.admit(), circuit.admit()
    for ticket in old[20:30]:
        circuit.settle(ticket, OK)
    assert circuit.state is State.HALF_OPEN
    for ticket in probes:
        circuit.settle(ticket, OK)
    for ticket in old[30:]:
        circuit.settle(ticket, BAD)
    assert (circuit.state, circuit.recent()) == (State.CLOSED, (0, 0))


def test_retries_are_a_tenth_of_what_was_answered_with_ten_in_hand() -> None:
    budget = RetryBudget()
    assert [budget.take() for _ in range(12)] == [True] * 10 + [False] * 2
    for _ in range(9):
        budget.earn()
    assert not budget.take()
    budget.earn()
    assert (budget.take(), budget.left) == (True, 0)
    for _ in range(1_000):
        budget.earn()
    assert budget.left == 10
