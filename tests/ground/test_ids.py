"""Ids that are made from what they name: the same for ever, since rows, leases and messages are known by them."""

from uuid import UUID, uuid4, uuid5

from reelwright.ground.ids import derived


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
