"""Which test shows each case of Stripe, W1 to W32, and of usage, U1 to U14; `test_cases.py` sees that each exists.

All have one. A case that needs none would stand in WAIVED with its reason, so that a gap is never an oversight.
"""

BUYING = "tests/journeys/test_purchase.py"
ORDERS = "tests/journeys/test_stripe_orders.py"
EVENTS = "tests/rooms/billing/test_events.py"
RETURNS = "tests/journeys/test_returns.py"
HELD = "tests/rooms/accounts/test_subscriptions.py"
PLANS = "tests/journeys/test_plans.py"
MONTHS = "tests/journeys/test_allowances.py"
ALERTS = "tests/journeys/test_alerts.py"
LEDGER = "tests/rooms/ledger"
ANY_ORDER = f"{ORDERS}::test_w05_w06_w08_w31_a_life_heard_in_any_order_is_the_same_life"

CASES: dict[str, tuple[str, ...]] = {
    "W1": (
        f"{EVENTS}::test_w1_either_secret_is_taken_and_no_other",
        f"{EVENTS}::test_w1_a_time_too_far_off_is_refused_both_ways",
        f"{EVENTS}::test_w1_any_of_several_signatures_is_enough",
        f"{EVENTS}::test_w1_a_body_written_anew_is_another_body",
        f"{EVENTS}::test_w1_a_header_that_is_none_is_refused",
        f"{EVENTS}::test_what_we_take_stripes_own_checker_takes",
        "tests/api/webhooks_in/test_stripe.py::test_an_unsigned_body_is_400_and_kept_nowhere",
    ),
    "W2": (
        f"{BUYING}::test_w2_the_same_event_many_times_at_once_is_stored_once",
        f"{BUYING}::test_a_pack_is_handed_over_once_it_is_paid_and_once",
    ),
    "W3": (
        "tests/rooms/billing/test_inbox.py::test_w3_what_fails_waits_longer_each_time_and_is_given_up_after_fifteen",
    ),
    # What was answered by nobody is sent again: the second time it is known, or its claim has lapsed.
    "W4": (
        f"{BUYING}::test_a_pack_is_handed_over_once_it_is_paid_and_once",
        "tests/rooms/billing/test_inbox.py::test_a_claim_that_has_lapsed_writes_nothing_more",
        "tests/api/webhooks_in/test_stripe.py::test_new_and_known_are_answered_alike_and_fast",
    ),
    "W5": (ANY_ORDER, f"{HELD}::test_what_was_asked_for_before_another_wrote_is_not_kept"),
    "W6": (ANY_ORDER, f"{HELD}::test_what_was_asked_for_before_another_wrote_is_not_kept"),
    "W7": (
        f"{BUYING}::test_w7_a_superseded_subscription_takes_nothing_with_it",
        f"{PLANS}::test_w26_of_two_subscriptions_the_better_counts_and_then_the_other",
    ),
    "W8": (ANY_ORDER,),
    "W9": (f"{ORDERS}::test_w09_w10_a_trial_is_invoiced_nothing_and_becomes_a_paid_month",),
    "W10": (
        f"{ORDERS}::test_w09_w10_a_trial_is_invoiced_nothing_and_becomes_a_paid_month",
        f"{PLANS}::test_w10_a_trial_gives_its_plan_and_goes_on_when_paid",
    ),
    "W11": (
        f"{BUYING}::test_w11_a_payment_that_fails_and_then_comes_costs_no_month",
        f"{HELD}::test_grace_counts_from_the_first_time_that_it_was_past_due",
    ),
    "W12": (
        f"{HELD}::test_w12_grace_ends_exactly_after_three_days",
        f"{PLANS}::test_time_alone_takes_a_plan_at_the_very_instant",
    ),
    "W13": (
        f"{ORDERS}::test_w13_a_first_invoice_that_is_never_paid_gives_nothing_and_takes_nothing",
        f"{HELD}::test_each_status_gives_its_plan_or_does_not",
    ),
    "W14": (
        f"{BUYING}::test_w14_cancelled_at_the_end_taken_back_and_reached",
        f"{PLANS}::test_w14_resumed_in_time_nothing_is_taken",
        f"{HELD}::test_w14_a_cancelled_period_is_enjoyed_to_its_end_and_undone_goes_on",
    ),
    "W15": (
        f"{BUYING}::test_w15_an_upgrade_gives_the_difference_and_a_downgrade_waits",
        f"{MONTHS}::test_c17_w15_an_upgrade_within_a_paid_month_gives_the_difference_once",
        f"{BUYING}::test_w15_a_plan_that_was_changed_in_the_portal_and_not_heard_of_is_changed_from_what_stripe_has",
    ),
    "W16": (
        f"{MONTHS}::test_w16_a_paid_year_gives_its_months_one_after_the_other",
        f"{MONTHS}::test_an_upgrade_in_a_paid_year_counts_for_its_months_from_then_on",
    ),
    "W17": (f"{BUYING}::test_w17_a_payment_that_takes_days",),
    "W18": (f"{BUYING}::test_w18_a_checkout_that_nobody_pays",),
    "W19": (
        f"{BUYING}::test_w19_a_checkout_that_names_two_accounts_gives_nothing",
        f"{HELD}::test_another_accounts_subscription_is_refused_and_stays",
    ),
    "W20": (f"{BUYING}::test_w20_w28_what_we_do_not_sell_so_gives_nothing",),
    "W21": (
        f"{RETURNS}::test_w21_three_partial_refunds_take_back_what_they_come_to",
        f"{RETURNS}::test_w21_a_refund_that_fails_gives_back",
    ),
    "W22": (
        f"{RETURNS}::test_w22_an_open_dispute_freezes_what_is_unspent_and_a_lost_one_takes_the_rest",
        f"{RETURNS}::test_w22_a_dispute_that_is_won_gives_back_what_it_took",
    ),
    "W23": (f"{BUYING}::test_w23_an_event_of_the_other_mode_is_kept_and_ignored",),
    "W24": (f"{BUYING}::test_w24_an_event_of_another_version_is_fetched_anew",),
    "W25": (
        f"{BUYING}::test_w25_what_never_arrived_is_found_by_the_daily_comparison",
        f"{EVENTS}::test_w25_a_comparison_looks_back_to_the_one_before_it",
        f"{MONTHS}::test_a_month_that_is_over_is_given_and_gone_in_the_same_breath",
    ),
    "W26": (
        f"{BUYING}::test_w26_a_second_subscription_is_paid_back_and_ended",
        f"{PLANS}::test_w26_of_two_subscriptions_the_better_counts_and_then_the_other",
    ),
    "W27": (
        f"{BUYING}::test_w27_a_deleted_customer_is_let_go_and_the_next_purchase_makes_another",
        f"{BUYING}::test_w27_what_a_deleted_customer_paid_for_is_handed_over_and_its_subscription_ends",
    ),
    "W28": (f"{BUYING}::test_w20_w28_what_we_do_not_sell_so_gives_nothing",),
    "W29": (f"{BUYING}::test_w29_a_checkout_of_more_lines_than_a_page_has_is_read_whole",),
    "W30": (f"{EVENTS}::test_w30_a_thin_notification_names_the_object_to_fetch",),
    "W31": (ANY_ORDER, "tests/journeys/test_any_order.py::test_w31_any_order_any_number_of_times_late"),
    "W32": (f"{BUYING}::test_w32_while_stripe_is_away_events_wait",),
    "U1": (
        f"{ALERTS}::test_a_threshold_is_reached_in_whole_numbers",
        f"{ALERTS}::test_each_threshold_is_told_once_where_it_is_crossed",
    ),
    "U2": (f"{ALERTS}::test_a_jump_tells_the_highest_and_notes_the_others",),
    "U3": (f"{ALERTS}::test_many_that_cross_it_together_tell_it_once",),
    "U4": (f"{ALERTS}::test_a_refund_and_a_second_crossing_tell_nothing",),
    "U5": (f"{ALERTS}::test_another_limit_and_another_period_begin_anew",),
    "U6": (f"{ALERTS}::test_without_a_limit_nothing_is_reached",),
    "U7": (f"{ALERTS}::test_another_limit_and_another_period_begin_anew",),
    "U8": (f"{LEDGER}/test_usage_recorder.py::test_u8_what_doesnt_fit_is_counted_as_lost_and_the_request_goes_on",),
    "U9": (f"{LEDGER}/test_usage_recorder.py::test_u9_counting_takes_microseconds_while_postgresql_stalls",),
    "U10": (f"{LEDGER}/test_usage_recorder.py::test_u10_what_is_waiting_at_the_end_is_written",),
    "U11": (
        f"{ALERTS}::test_a_demo_is_told_nothing",
        f"{MONTHS}::test_c33_a_demo_is_given_nothing_by_anybody",
        "tests/journeys/test_wasted_calls.py::test_a_demos_failures_are_not_tracked",
        "tests/api/usage/test_reports.py::test_requests_are_counted_and_a_demos_are_not",
        "tests/api/payments/test_buying.py::test_a_demo_account_buys_nothing",
    ),
    "U12": (f"{LEDGER}/test_usage_rollup.py::test_u12_figures_are_the_calls_and_the_credits_are_the_journals",),
    "U13": (
        f"{LEDGER}/test_usage_projection.py::test_u13_the_first_minute_rests_on_the_weeks_before",
        f"{LEDGER}/test_usage_projection.py::test_u13_at_the_very_start_without_a_past_nothing_is_said",
        f"{LEDGER}/test_usage_projection.py::test_u13_the_last_minute_adds_next_to_nothing_and_the_end_nothing",
        f"{LEDGER}/test_usage_projection.py::test_u13_no_usage_at_all_comes_to_nothing",
        f"{LEDGER}/test_usage_projection.py::test_u13_it_is_never_below_what_is_used_and_grows_with_it",
    ),
    "U14": (
        f"{LEDGER}/test_usage_rollup.py::test_u14_costs_add_up_to_the_nano_dollar_whatever_came_of_the_calls",
        "tests/rooms/providers/test_openai_connection.py::test_u14_what_the_provider_remembered_costs_its_smaller_price",
    ),
}
WAIVED: dict[str, str] = {}
