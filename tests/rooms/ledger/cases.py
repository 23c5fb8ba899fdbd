"""Which test shows each boundary case of C1 to C40; `test_cases.py` sees that each of them exists."""

LEDGER = "tests/rooms/ledger"
HAMMER = "tests/money/test_hammer.py"

CASES: dict[str, tuple[str, ...]] = {
    "C1": (f"{LEDGER}/test_credits.py::test_a_hold_takes_the_last_credit",),
    "C2": (f"{LEDGER}/test_credits.py::test_a_hold_takes_not_one_credit_more",),
    "C3": (f"{LEDGER}/test_cases.py::test_c03_c38_free_work_takes_a_unit_and_no_credits",),
    "C4": (f"{LEDGER}/test_interleaving.py::test_the_last_credits_go_to_one",),
    "C5": (f"{LEDGER}/test_cases.py::test_c05_a_hold_ends_once_and_every_later_end_is_told_how",),
    "C6": (
        f"{LEDGER}/test_lots.py::test_c6_a_partial_capture_spends_what_lapses_first_and_the_rest_returns_to_its_lot",
    ),
    "C7": (f"{LEDGER}/test_cases.py::test_c07_more_than_was_held_is_ours_to_bear",),
    "C8": (f"{LEDGER}/test_lots.py::test_c8_refunds_never_exceed_the_charge_and_go_back_where_they_came_from",),
    "C9": (
        f"{LEDGER}/test_interleaving.py::test_capture_and_void_settle_once_whoever_comes_first",
        f"{LEDGER}/test_interleaving.py::test_two_refunds_never_give_back_more_than_was_taken",
        f"{LEDGER}/test_interleaving.py::test_lapsing_and_settling_meet",
        f"{LEDGER}/test_interleaving.py::test_a_hold_takes_more_of_a_lot_than_it_had_before_the_wait",
    ),
    # A hold has no expiry of its own: it ends with its generation, whose lease and deadline the sweep judges.
    "C10": (
        f"{LEDGER}/test_lots.py::test_c10_expiry_never_takes_what_running_work_holds",
        "tests/journeys/test_production.py::test_a_generation_past_its_deadline_ends_and_gives_everything_back",
    ),
    "C11": (
        f"{LEDGER}/test_cases.py::test_c11_a_success_behind_the_end_of_its_hold_moves_nothing",
        "tests/journeys/test_production.py::test_a_worker_that_lost_its_claim_writes_nothing_but_what_it_cost_us",
    ),
    "C12": (f"{LEDGER}/test_lots.py::test_c12_burn_order_is_priority_then_soonest_then_oldest",),
    "C13": (f"{LEDGER}/test_lots.py::test_c13_a_lot_that_lapsed_unswept_is_not_used",),
    "C14": (f"{LEDGER}/test_lots.py::test_c14_a_void_into_a_lapsed_lot_is_given_again_for_72_hours_after_our_fault",),
    "C15": (f"{LEDGER}/test_lots.py::test_c15_a_lot_of_the_future_is_not_usable_yet",),
    "C16": ("tests/journeys/test_allowances.py::test_c16_a_month_is_given_once_whoever_asks",),
    "C17": (
        "tests/journeys/test_allowances.py::test_c17_an_upgrade_gives_the_difference_once_and_a_downgrade_takes_nothing",
    ),
    # There is no rollover: monthly credits lapse at the period's end, bought ones do not (decision 19).
    "C18": (f"{LEDGER}/test_cases.py::test_c18_a_month_rolls_nothing_over_and_takes_nothing_bought",),
    "C19": (f"{LEDGER}/test_lots.py::test_c19_a_purchase_paid_back_takes_its_own_lot_first_and_the_rest_is_owed",),
    "C20": (f"{LEDGER}/test_lots.py::test_c19_a_purchase_paid_back_takes_its_own_lot_first_and_the_rest_is_owed",),
    "C21": (
        f"{LEDGER}/test_lots.py::test_c19_a_purchase_paid_back_takes_its_own_lot_first_and_the_rest_is_owed",
        f"{LEDGER}/test_interleaving.py::test_a_debt_that_comes_while_a_hold_waits_stops_it",
    ),
    "C22": (
        f"{LEDGER}/test_lots.py::test_c22_an_adjustment_below_zero_needs_force",
        "tests/api/credits/test_corrections.py::test_c22_taking_more_than_there_is_needs_force_and_makes_a_debt",
    ),
    "C23": (
        f"{LEDGER}/test_lots.py::test_c23_c24_amounts_that_no_book_holds_are_refused_before_they_reach_one",
        f"{LEDGER}/test_credits.py::test_large_amounts_fit",
        f"{LEDGER}/test_cases.py::test_c23_what_no_book_can_hold_leaves_it_as_it_was",
    ),
    "C24": (
        f"{LEDGER}/test_lots.py::test_c23_c24_amounts_that_no_book_holds_are_refused_before_they_reach_one",
        f"{LEDGER}/test_cases.py::test_c24_the_database_refuses_amounts_below_zero_too",
        "tests/api/credits/test_corrections.py::test_c24_amounts_that_are_none_are_400",
    ),
    "C25": (
        f"{LEDGER}/test_locks.py::test_c25_of_two_in_a_deadlock_one_is_asked_to_come_again_and_both_are_done_once",
    ),
    "C26": (f"{LEDGER}/test_locks.py::test_c26_an_order_that_waits_too_long_for_the_account_leaves_nothing_behind",),
    "C27": (f"{LEDGER}/test_locks.py::test_c27_a_serialization_failure_asked_again_does_not_double",),
    "C28": ("tests/journeys/test_money_kills.py::test_c28_killed_anywhere_an_order_is_held_once_and_ended_once",),
    "C29": (f"{LEDGER}/test_credits.py::test_the_journal_is_never_rewritten",),
    # A transaction cannot be unbalanced: a line is one transfer from one bucket to another.
    "C30": (f"{LEDGER}/test_credits.py::test_the_journal_refuses_transfers_that_do_not_exist",),
    "C31": (
        f"{LEDGER}/test_lots.py::test_c31_whatever_is_tampered_with_is_found_by_its_name",
        f"{HAMMER}::test_whatever_is_changed_behind_the_ledgers_back_is_found",
    ),
    "C32": (
        f"{LEDGER}/test_lots.py::test_c32_balances_recomputed_from_the_journal_are_the_stored_ones",
        f"{HAMMER}::test_killed_processes_and_cut_connections_leave_books_that_the_journal_makes_again",
    ),
    "C33": (
        "tests/journeys/test_allowances.py::test_c33_a_demo_is_given_nothing_by_anybody",
        "tests/journeys/test_wasted_calls.py::test_a_demos_failures_are_not_tracked",
    ),
    "C34": (f"{LEDGER}/test_usage_rollup.py::test_c34_a_user_who_left_stays_in_the_books_without_a_name",),
    "C35": (
        "tests/api/costs/test_action_costs.py::test_c35_a_new_price_is_for_new_orders_and_an_old_quote_is_refused",
    ),
    "C36": (
        f"{LEDGER}/test_cases.py::test_c36_three_attempts_hold_three_times_and_one_is_paid_for",
        "tests/journeys/test_wasted_calls.py::test_c36_three_tries_of_which_two_fail_are_paid_by_us_and_charged_once",
    ),
    "C37": (f"{LEDGER}/test_usage_rollup.py::test_c37_shares_of_a_capture_add_up_to_it_to_the_micro_credit",),
    "C38": (f"{LEDGER}/test_cases.py::test_c03_c38_free_work_takes_a_unit_and_no_credits",),
    "C39": (f"{LEDGER}/test_lots.py::test_c39_a_boosts_credits_end_with_it",),
    "C40": (f"{HAMMER}::test_c40_nothing_appears_or_vanishes_in_two_thousand_random_commands",),
}
"""By number: the tests, as pytest names them. What a case comes to in this design stands above it where it differs."""
