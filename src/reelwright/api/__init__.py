"""The REST door: decodes, makes one call down, encodes. It owns HTTP's status codes and nothing else."""

from litestar import Router

from reelwright.api.account import ask_export, delete_account, delete_user, read_export, restore_account
from reelwright.api.admin import grant_boost, set_plan
from reelwright.api.arriving import BODY_LIMIT
from reelwright.api.assets import change_asset, delete_asset, list_assets, read_asset, save_asset
from reelwright.api.audit import list_admin_actions
from reelwright.api.auth import (
    ask_password_reset,
    confirm_password_reset,
    log_in,
    log_out,
    register,
    step_up,
    verify_address,
)
from reelwright.api.bodies import TypedRequest
from reelwright.api.brand_kits import (
    add_brand_kit,
    change_brand_kit,
    delete_brand_kit,
    list_brand_kits,
    read_brand_kit,
)
from reelwright.api.caller import Entrance, account_of, caller_of
from reelwright.api.costs import calculate_cost, change_action_costs, list_action_costs
from reelwright.api.creations import create
from reelwright.api.credits import (
    correct_credits,
    list_transactions,
    read_balance,
    read_transaction,
    refund_generation,
)
from reelwright.api.cursors import cursors_of
from reelwright.api.dead_letters import list_dead_letters, read_dead_letter, redrive
from reelwright.api.drafts import add_draft, change_draft, delete_draft, list_draft_variants, list_drafts, read_draft
from reelwright.api.files import captions, inspection, manifest, ranked_thumbnail, thumbnail, video, wide_thumbnail
from reelwright.api.following import events, events_by_ticket, ticket
from reelwright.api.generations import cancel, list_generations, pause, read_generation
from reelwright.api.guarding import Gatehouse, guard, request_id_of
from reelwright.api.health import live, metrics, ready
from reelwright.api.idempotency import again_of
from reelwright.api.ingestion import ingest, read_ingestion, retry_ingestion
from reelwright.api.keys import add_key, list_keys, read_key, revoke_key
from reelwright.api.letter_pages import letter_pages
from reelwright.api.letting_in import let_in
from reelwright.api.limits import read_limits
from reelwright.api.links import asset_url, file_by_link, media_url, video_url
from reelwright.api.me import change_me, end_session, list_sessions, read_me
from reelwright.api.media import delete_media, list_media, read_media, upload_media
from reelwright.api.methods import options_answered
from reelwright.api.music import add_music, delete_music, list_music, play_music, preview_music, read_music
from reelwright.api.notifications import change_preferences, read_preferences
from reelwright.api.pages import public_pages
from reelwright.api.payments import (
    buy_boost,
    buy_credits,
    cancel_subscription,
    change_plan,
    list_plans,
    open_portal,
    resume_subscription,
    subscribe,
)
from reelwright.api.pipeline import pause_pipeline, read_pipeline, resume_pipeline, start_stage
from reelwright.api.problems import HANDLERS, problem
from reelwright.api.providers import list_models, list_providers, provider_status, switch_model, switch_provider
from reelwright.api.regenerations import regenerate
from reelwright.api.resumptions import resume
from reelwright.api.scenes import change_scene, list_scenes, regenerate_scene, reorder_scenes
from reelwright.api.schedules import (
    change_schedule,
    create_schedule,
    delete_schedule,
    list_schedule_runs,
    list_schedules,
    pause_schedule,
    read_schedule,
    resume_schedule,
)
from reelwright.api.scopes import checked
from reelwright.api.signposts import signposts
from reelwright.api.stage_runs import cancel_stage_run, list_stage_runs, read_stage_run
from reelwright.api.tracking import track_request
from reelwright.api.unambiguous import body_understood
from reelwright.api.usage import usage_by_action, usage_daily, usage_export, usage_projection
from reelwright.api.usage_reports import count_requests, top_consumers, tracking_failures, usage_report
from reelwright.api.users import list_users, read_user, revoke_boost, set_demo
from reelwright.api.variants import change_variant, read_variant, regenerate_variant
from reelwright.api.voices import (
    change_voice,
    create_voice,
    delete_voice,
    list_voices,
    play_preview,
    preview_voice,
    read_preview,
    read_voice,
    set_default_voice,
)
from reelwright.api.webhooks_in import list_stripe_events, replay_stripe_event, stripe_webhook
from reelwright.api.webhooks_out import (
    add_webhook,
    change_webhook,
    delete_webhook,
    list_webhook_deliveries,
    list_webhooks,
    read_webhook,
    replay_webhook_delivery,
    rotate_webhook_secret,
    test_webhook,
)

__all__ = [
    "BODY_LIMIT",
    "HANDLERS",
    "Entrance",
    "Gatehouse",
    "account_of",
    "guard",
    "operator_routes",
    "options_answered",
    "problem",
    "public_routes",
    "request_id_of",
    "track_request",
    "v1",
]

v1 = Router(
    path="/v1",
    middleware=[let_in],
    request_class=TypedRequest,
    before_request=body_understood,
    dependencies={"account": account_of, "caller": caller_of, "cursors": cursors_of, "again": again_of},
    route_handlers=[
        *(register, verify_address, log_in, log_out, step_up, ask_password_reset, confirm_password_reset),
        *(ask_export, read_export, delete_account, restore_account, delete_user),
        *(read_me, change_me, list_sessions, end_session, add_key, list_keys, read_key, revoke_key),
        *(create, regenerate, read_generation, events, video, thumbnail, wide_thumbnail),
        *(ranked_thumbnail, captions),
        *(inspection, manifest, ticket, events_by_ticket),
        *(add_draft, list_drafts, read_draft, list_draft_variants, change_draft, delete_draft),
        *(add_brand_kit, list_brand_kits, read_brand_kit, change_brand_kit, delete_brand_kit),
        *(read_variant, change_variant, regenerate_variant),
        *(list_scenes, change_scene, reorder_scenes, regenerate_scene),
        *(ingest, read_ingestion, retry_ingestion, list_stage_runs, read_stage_run, cancel_stage_run),
        *(read_pipeline, start_stage, pause_pipeline, resume_pipeline),
        *(list_generations, cancel, pause, resume, read_limits, set_plan, grant_boost),
        *(list_dead_letters, read_dead_letter, redrive),
        *(read_balance, list_transactions, read_transaction, correct_credits, refund_generation),
        *(calculate_cost, list_action_costs, change_action_costs),
        *(list_plans, buy_credits, subscribe, buy_boost, open_portal, change_plan),
        *(cancel_subscription, resume_subscription, list_stripe_events, replay_stripe_event),
        *(usage_daily, usage_by_action, usage_projection, usage_export),
        *(create_schedule, list_schedules, read_schedule, change_schedule, delete_schedule),
        *(pause_schedule, resume_schedule, list_schedule_runs),
        *(list_users, read_user, set_demo, revoke_boost, list_admin_actions),
        *(add_webhook, list_webhooks, read_webhook, change_webhook, delete_webhook, rotate_webhook_secret),
        *(list_webhook_deliveries, replay_webhook_delivery, test_webhook, read_preferences, change_preferences),
        *(list_providers, list_models, provider_status, switch_provider, switch_model),
        *(usage_report, top_consumers, count_requests, tracking_failures),
        *(list_voices, create_voice, read_voice, change_voice, delete_voice, set_default_voice),
        *(preview_voice, read_preview, play_preview),
        *(list_music, add_music, read_music, delete_music, preview_music, play_music),
        *(save_asset, list_assets, read_asset, change_asset, delete_asset, asset_url),
        *(upload_media, list_media, read_media, delete_media, media_url, video_url),
    ],
)
checked(v1)
operator_routes = [live, ready, metrics]
public_routes = [stripe_webhook, file_by_link, *public_pages, *letter_pages, *signposts]
