"""Every security case of the table is shown by tests that exist, or waived with a reason."""

from collections.abc import Callable

from tests.security.cases import CASES, SHOWN, WAIVED, named_in, numbered


def test_every_number_is_shown_or_waived(record_property: Callable[[str, object], None]) -> None:
    """`pytest -s` prints the table; a run's report keeps it."""
    found = numbered()
    assert [*CASES] == [f"S{number:02}" for number in range(1, 104)]
    assert sorted(set(found) - set(CASES)) == [], "these numbers stand in tests' names and in no table"
    lost = [named for tests in SHOWN.values() for named in tests if not _exists(named)]
    assert lost == [], "these tests are no longer there"
    bare = [number for number in CASES if not found[number] and number not in SHOWN and number not in WAIVED]
    table = [f"{number:5}{CASES[number]}: {_told(number, found[number])}" for number in CASES]
    record_property("security", table)
    print("\n".join(table))  # noqa: T201 - the table is what this test is for
    assert bare == [], "write a test whose name has the number, or say in WAIVED why not"
    assert [number for number in WAIVED if found[number] or number in SHOWN] == [], "shown, so no longer waived"
    assert all(WAIVED.values())


def _exists(named: str) -> bool:
    file, _, name = named.partition("::")
    return name in named_in(file)


def _told(number: str, found: list[str]) -> str:
    tests = [*found, *SHOWN.get(number, ())]
    return ", ".join(tests) if tests else f"waived: {WAIVED.get(number, '?')}"
