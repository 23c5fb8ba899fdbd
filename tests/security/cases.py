"""The table of all security cases, S01 to S103 of the reference: what each is, and its tests, or why it has none.

A test whose name says its number (`test_s07_…`, `test_s01_s02_…`) is found by it. SHOWN names those that are called
otherwise, as they were there before, or show more than one thing. WAIVED says why there is nothing to show.
"""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NUMBER = re.compile(r"(?:(?<=_)|^)s(\d{2,3})(?=_|$)")

CASES = {
    "S01": "another's generation is read",
    "S02": "and cancelled",
    "S03": "and followed",
    "S04": "and its video fetched",
    "S05": "and deleted, changed, tried again",
    "S06": "a list is filtered by another account",
    "S07": "another's cursor",
    "S08": "a request refers to what is another's",
    "S09": "another's keys, uploads, webhooks",
    "S10": "another's Idempotency-Key",
    "S11": "strange ids",
    "S12": "every route by everybody",
    "S13": "keys elsewhere than in one header",
    "S14": "a mistyped key costs no query",
    "S15": "dead and foreign keys",
    "S16": "the time that a key's check takes",
    "S17": "unknown address and wrong password told apart",
    "S18": "guessing passwords",
    "S19": "X-Forwarded-For changes who one is",
    "S20": "long and strange passwords",
    "S21": "common passwords",
    "S22": "session fixation",
    "S23": "sessions after their end",
    "S24": "cookie flags",
    "S25": "idle and absolute age",
    "S26": "password reset tokens",
    "S27": "signed tokens bent",
    "S28": "step-up",
    "S29": "who has an account",
    "S30": "fields that are not the caller's",
    "S31": "making oneself an administrator",
    "S32": "answers with fields of ours",
    "S33": "doubled JSON keys",
    "S34": "doubled parameters",
    "S35": "unknown parameters",
    "S36": "large JSON",
    "S37": "deep JSON",
    "S38": "endless, slow and lying requests",
    "S39": "packed bodies",
    "S40": "forms of a thousand parts",
    "S41": "races for the last unit and credit",
    "S42": "strange durations",
    "S43": "strange texts",
    "S44": "numbers beyond all numbers",
    "S45": "a thousand streams",
    "S46": "endless pages",
    "S47": "patterns in a search",
    "S48": "a flood of log-ins",
    "S49": "captions that take long",
    "S50": "picture bombs",
    "S51": "administration by others",
    "S52": "method overrides",
    "S53": "path tricks",
    "S54": "the worker's doors unsigned",
    "S55": "a scope too little",
    "S56": "impersonation",
    "S57": "hidden pages",
    "S58": "sign-ups for free credits",
    "S59": "downloading before paying",
    "S60": "one coupon twice, negative numbers",
    "S61": "free renders by trying again",
    "S62": "inward addresses",
    "S63": "names that turn inward",
    "S64": "redirects",
    "S65": "answers that lie",
    "S66": "HTML bombs",
    "S67": "ports told apart by errors",
    "S68": "inward webhooks",
    "S69": "CORS",
    "S70": "Host",
    "S71": "CSRF",
    "S72": "a CSRF cookie in a form",
    "S73": "CSP",
    "S74": "stored XSS",
    "S75": "open redirects",
    "S76": "line breaks in headers and logs",
    "S77": "request smuggling",
    "S78": "errors that tell of us",
    "S79": "cache poisoning",
    "S80": "clickjacking",
    "S81": "undocumented routes",
    "S82": "hostile provider answers",
    "S83": "hostile provider pictures",
    "S84": "prompt injection",
    "S85": "orders written in a picture",
    "S86": "Stripe's signature",
    "S87": "one Stripe event many times",
    "S88": "QStash's signature",
    "S89": "signed nonsense for the worker",
    "S90": "outgoing webhooks",
    "S91": "signed links",
    "S92": "uploads otherwise than declared",
    "S93": "uploads of other types",
    "S94": "who may follow a stream",
    "S95": "secrets and texts in logs",
    "S96": "settings in logs",
    "S97": "hostile captions",
    "S98": "filter injection",
    "S99": "argument injection",
    "S100": "concat lists",
    "S101": "media in disguise",
    "S102": "escaping the sandbox",
    "S103": "names in archives",
}

_PAGES = "tests/rooms/providers/test_web.py::"
_FFMPEG = "tests/worker/test_ffmpeg.py::"
_CAPTIONS = "tests/rooms/rendering/test_captions.py::"
_STRIPE = "tests/api/webhooks_in/test_stripe.py::"
_HOSTILE_UPLOADS = "tests/api/media/test_hostile.py::test_what_is_not_what_we_take_is_refused_and_leaves_nothing"
_GRAPH = "tests/rooms/rendering/test_graph.py::"

SHOWN: dict[str, tuple[str, ...]] = {
    "S02": ("tests/api/generations/test_stopping.py::test_another_accounts_generation_is_404",),
    "S03": ("tests/api/generations/test_reading.py::test_another_accounts_generation_is_404_everywhere",),
    "S41": (
        "tests/rooms/admission/test_contention.py::test_e05_four_processes_at_once_never_pass_a_limit",
        "tests/rooms/ledger/test_interleaving.py::test_the_last_credits_go_to_one",
        "tests/api/create/test_refusals.py::test_the_third_at_once_is_429_and_costs_nothing",
        "tests/end_to_end/test_hammer.py::test_every_limit_holds_exactly_under_fire_from_many_processes",
    ),
    "S49": (_CAPTIONS + "test_hostile_text_costs_no_more_time_than_plain_text",),
    "S50": (_HOSTILE_UPLOADS,),
    "S54": ("tests/worker/test_doors.py::test_a_signature_for_one_door_opens_no_other",),
    "S59": ("tests/journeys/test_stopping.py::test_cancelled_on_its_way_what_finished_is_charged_and_nothing_else",),
    "S60": (
        "tests/rooms/accounts/test_accounts.py::test_one_payment_boosts_once",
        "tests/rooms/accounts/test_accounts.py::test_one_payment_told_for_two_accounts_at_once_boosts_one",
        "tests/api/payments/test_buying.py::test_what_is_not_for_sale_is_400",
        "tests/api/credits/test_corrections.py::test_c24_amounts_that_are_none_are_400",
    ),
    "S61": (
        "tests/api/resume/test_resume.py::test_402_and_429_take_nothing",
        "tests/api/resume/test_resume.py::test_409_with_another_key_says_where_it_went_on",
    ),
    "S62": (
        "tests/rooms/providers/test_guard.py::test_an_inward_address_is_refused_before_any_lookup",
        _PAGES + "test_an_inward_address_sends_no_packet_and_asks_no_resolver",
        "tests/api/create/test_400.py::test_a_bad_field_is_named_and_nothing_is_left_behind",
    ),
    "S63": (
        _PAGES + "test_a_name_that_leads_inward_sends_no_packet",
        _PAGES + "test_a_name_is_resolved_once_and_the_connection_goes_there",
        "tests/rooms/providers/test_guard.py::test_one_bad_address_spoils_the_name",
    ),
    "S64": (
        _PAGES + "test_a_redirect_inward_sends_no_packet",
        _PAGES + "test_each_hop_is_checked_anew",
        _PAGES + "test_redirects_are_followed_three_times_and_no_more",
        _PAGES + "test_a_redirect_without_a_usable_location_is_refused",
    ),
    "S65": (
        _PAGES + "test_what_is_no_article_is_refused_with_a_remedy",
        _PAGES + "test_a_gzip_bomb_ends_at_the_cap",
        _PAGES + "test_an_endless_page_ends_at_the_cap",
        _PAGES + "test_a_slow_page_ends_at_the_deadline",
    ),
    "S66": ("tests/rooms/providers/test_article.py::test_hostile_markup_ends_in_a_refusal_in_time",),
    "S67": ("tests/rooms/providers/test_guard.py::test_every_block_says_the_same",),
    "S68": (
        "tests/api/webhooks/test_endpoints.py::test_an_inward_address_is_refused_with_one_sentence",
        "tests/rooms/notices/test_webhooks.py::test_a_name_that_leads_inward_gets_no_packet",
        "tests/rooms/notices/test_webhooks.py::test_a_redirect_is_a_failure_and_not_followed",
    ),
    "S71": ("tests/api/auth/test_sessions.py::test_another_sites_page_signs_nobody_in_or_up",),
    "S81": (
        "tests/api/contract/test_document.py::test_every_route_is_told_of",
        "tests/api/contract/test_snapshot.py::test_the_contract_is_what_was_agreed",
    ),
    "S83": (
        "tests/rooms/providers/test_openai_media.py::test_what_hides_in_a_picture_goes_no_further",
        "tests/rooms/providers/test_openai_media.py::test_what_is_no_picture_is_an_outage",
    ),
    "S84": ("tests/rooms/providers/test_openai_text.py::test_the_source_is_fenced_by_a_token_it_cannot_foresee",),
    "S86": (
        _STRIPE + "test_an_unsigned_body_is_400_and_kept_nowhere",
        _STRIPE + "test_signed_nonsense_is_400_and_unknown_types_are_kept",
        "tests/journeys/test_purchase.py::test_w23_an_event_of_the_other_mode_is_kept_and_ignored",
    ),
    "S87": (
        _STRIPE + "test_new_and_known_are_answered_alike_and_fast",
        "tests/journeys/test_purchase.py::test_w2_the_same_event_many_times_at_once_is_stored_once",
    ),
    "S88": (
        "tests/worker/test_delivery.py::test_anything_else_stays_outside",
        "tests/worker/test_delivery.py::test_one_changed_byte_of_the_body_stays_outside",
        "tests/worker/test_delivery.py::test_a_clock_that_is_half_a_minute_off_still_opens",
    ),
    "S89": (
        "tests/worker/test_doors.py::test_a_newer_message_waits_for_newer_code_and_nonsense_never_comes_again",
        "tests/journeys/test_production.py::test_a_worker_that_lost_its_claim_writes_nothing_but_what_it_cost_us",
    ),
    "S90": (
        "tests/rooms/notices/test_webhooks.py::test_it_arrives_signed_as_standard_webhooks_says",
        "tests/api/webhooks/test_endpoints.py::test_an_endpoint_lives_and_its_secret_is_shown_once",
    ),
    "S93": (_HOSTILE_UPLOADS,),
    "S95": (
        "tests/ground/test_log.py::test_what_looks_like_a_secret_is_hidden_wherever_it_stands",
        "tests/rooms/providers/test_openai_connection.py::test_neither_prompt_nor_key_reaches_a_log",
        "tests/ground/test_tracing.py::test_a_span_holds_no_words_of_people",
    ),
    "S97": (
        _CAPTIONS + "test_hostile_text_is_shown_as_it_is_and_makes_no_markup",
        _CAPTIONS + "test_control_characters_never_reach_a_caption",
    ),
    "S99": (_GRAPH + "test_every_command_reads_files_alone_asks_nothing_and_stops_at_the_first_error",),
    "S100": (
        _GRAPH + "test_only_our_own_names_enter_the_concat_list",
        _GRAPH + "test_a_list_leads_to_no_path_outside_of_its_folder",
    ),
    "S101": (_HOSTILE_UPLOADS,),
    "S102": (
        _FFMPEG + "test_a_late_process_dies_with_its_whole_group",
        _FFMPEG + "test_a_media_process_dies_with_a_killed_worker",
        _FFMPEG + "test_no_key_reaches_a_media_process",
        _FFMPEG + "test_s102_shut_in_it_sees_and_reaches_nothing_of_ours",
        _FFMPEG + "test_s102_a_file_without_end_is_cut_off",
    ),
    "S103": ("tests/api/media/test_links.py::test_nothing_in_a_name_ends_its_header",),
}

WAIVED: dict[str, str] = {
    "S16": "keys are found by their SHA-256 in an index: nothing is compared letter by letter",
    "S72": "the CSRF token is told as JSON and sent back in a header: it stands in no cookie and in no form",
}


@cache
def named_in(file: str) -> frozenset[str]:
    """Return the names of a file's tests."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_"))


def numbered() -> dict[str, list[str]]:
    """Return all tests whose names say a number of ours, by number."""
    made: dict[str, list[str]] = {number: [] for number in CASES}
    for path in sorted(ROOT.glob("tests/**/test_*.py")):
        file = str(path.relative_to(ROOT))
        for name in sorted(named_in(file)):
            for number in _NUMBER.findall(name):
                made.setdefault(f"S{number}", []).append(f"{file}::{name}")
    return made
