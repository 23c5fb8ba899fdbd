"""Ids: those made from what they name are the same for ever, as rows are known by them; the others have an order."""

import time
from itertools import pairwise
from uuid import UUID, uuid4, uuid5

from reelwright.ground.ids import derived, fresh


def test_derived_ids_are_version_5_of_their_parts() -> None:
    """As the standard library makes them, for parts of every kind."""
    space, account = UUID("6f1d1c52-0f0e-5c8e-9a3b-7a5d1f2f4c11"), uuid4()
    for parts in [(), ("a",), (account, "POST /v1/create", "key é"), (account, "INGESTION", None, 3, 0)]:
        made = derived(*parts)
        assert made == uuid5(space, "\x1f".join(map(str, parts)))
        assert (made.version, made.variant) == (5, "specified in RFC 4122")


def test_a_derived_id_stays_what_it_was() -> None:
    """Written down: another one would start yesterday's orders anew."""
    assert str(derived("account", "POST /v1/create", "key")) == "5003a5d6-99eb-528a-8943-b001cbd3336c"


def test_fresh_ids_of_one_process_are_in_their_order() -> None:
    """Also within a millisecond: what was made in one transaction has one instant, and is listed by its id."""
    before = time.time_ns() // 1_000_000
    made = [fresh() for _ in range(2000)]
    after = time.time_ns() // 1_000_000
    assert all(one < other for one, other in pairwise(made))
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert all(before <= one.int >> 80 <= after for one in made)
    assert len({one.int & (1 << 62) - 1 for one in made}) == len(made)  # nobody guesses the rest
