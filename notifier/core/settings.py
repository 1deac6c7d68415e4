"""The notifier's settings. Each class declares the settings for one subject, and ``settings`` contains all settings."""

from __future__ import annotations

import math
import re
from datetime import time
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, NonNegativeFloat, NonNegativeInt, PositiveFloat, SecretStr
from pydantic_settings import SettingsConfigDict

from leads.settings import EnvironmentSettings, SharedSettings, setting


class CallWindow(NamedTuple):
    """The hours of the day in which a lead may be called, in the lead's own time zone. ``closes`` is exclusive."""

    opens: time
    closes: time


def _call_window(text: object) -> CallWindow:
    try:
        opens, closes = (time.fromisoformat(part.strip()) for part in str(text).split("-"))
    except ValueError:
        opens = closes = time.min
    if not opens < closes:
        raise ValueError("set it to an opening and a closing time on one day, such as 08:00-20:00")
    return CallWindow(opens, closes)


def _countries(text: object) -> object:
    """Return the ISO country codes in a comma-separated string. Raises ValueError for any other string."""
    codes = [code.strip().upper() for code in str(text).split(",")]
    if not all(re.fullmatch("[A-Z]{2}", code) for code in codes):
        raise ValueError("set it to ISO codes of two letters, separated by commas, such as US,CA")
    return frozenset(codes)


def _whole_minutes(text: object) -> object:
    """Round minutes up. A value that is not a number is returned unchanged, and the type check rejects it."""
    try:
        return max(1, math.ceil(float(str(text))))
    except (ValueError, OverflowError):
        return text


class RedisSettings(EnvironmentSettings):
    """The Redis server that wakes the workers."""

    model_config = SettingsConfigDict(title="Servers")

    redis_url: SecretStr = setting(
        "Address of Redis 6.2 or newer. If unset, docker compose and make use their own server.",
        "redis://127.0.0.1:6379/0",
    )


class CountyApiSettings(EnvironmentSettings):
    """The Clerk's developer API, which property lookups use."""

    model_config = SettingsConfigDict(title="The county's developer API")

    miami_dade_api_url: str = setting(
        "Address of the Clerk's developer API.", "https://www2.miamidadeclerk.gov/Developers/api"
    )
    miami_dade_auth_key: SecretStr = setting("Key of the Clerk's developer API.", example="change-me")
    miami_dade_daily_unit_cap: NonNegativeInt = setting(
        "Number of API units that may be spent on one New York day.", 500, unit="units"
    )
    miami_dade_subscriber_unit_cap: NonNegativeInt = setting(
        "Number of API units that the lookups of one subscriber may spend on one New York day.", 25, unit="units"
    )


class SendGridSettings(EnvironmentSettings):
    """The SendGrid account, and the senders and templates of e-mails."""

    model_config = SettingsConfigDict(title="SendGrid")

    sendgrid_api_key: SecretStr = setting("Key of SendGrid's API, with the right to send mail.", example="change-me")
    sendgrid_api_url: str = setting("Address of SendGrid's API; tests use another address.", "https://api.sendgrid.com")
    sendgrid_webhook_public_key: SecretStr = setting(
        "Public key that checks the signatures of SendGrid's event webhook.", example="change-me"
    )
    sendgrid_from_leads: str = setting("Sender of lead alerts and weekly reports.", example="leads@example.com")
    sendgrid_from_welcome: str = setting("Sender of welcome e-mails.", example="welcome@example.com")
    sendgrid_from_digest: str = setting("Sender of digests.", example="digest@example.com")
    sendgrid_from_billing: str = setting("Sender of receipts and trial reminders.", example="billing@example.com")
    sendgrid_from_support: str = setting(
        "Sender of e-mails about the account; also the address for replies.", example="support@example.com"
    )
    sendgrid_template_new_lead_alert: str = setting(
        "Dynamic template of the e-mail for one new lead.", example="d-change-me"
    )
    sendgrid_template_daily_digest: str = setting("Dynamic template of the daily digest.", example="d-change-me")
    sendgrid_template_weekly_report: str = setting("Dynamic template of the weekly report.", example="d-change-me")
    sendgrid_template_welcome_email: str = setting("Dynamic template of the welcome e-mail.", example="d-change-me")
    sendgrid_template_low_token_balance: str = setting(
        "Dynamic template of the warning that few tokens are left.", example="d-change-me"
    )
    sendgrid_template_call_failed: str = setting(
        "Dynamic template of the e-mail about a call that could not be made.", example="d-change-me"
    )
    sendgrid_template_expiring_trial: str = setting(
        "Dynamic template of the reminder that a trial will end.", example="d-change-me"
    )
    sendgrid_template_payment_receipt: str = setting("Dynamic template of a receipt.", example="d-change-me")

    def template(self, kind: str) -> str:
        """Return the id of SendGrid's dynamic template for an e-mail kind, such as ``daily_digest``."""
        return str(getattr(self, f"sendgrid_template_{kind.lower()}"))

    def sender(self, purpose: str) -> str:
        """Return the sender address for a purpose: leads, welcome, digest, billing or support."""
        return str(getattr(self, f"sendgrid_from_{purpose.lower()}"))


class TwilioSettings(EnvironmentSettings):
    """The Twilio account for SMS and calls."""

    model_config = SettingsConfigDict(title="Twilio")

    twilio_account_sid: str = setting("Identifier of the Twilio account.", example="change-me")
    twilio_auth_token: SecretStr = setting(
        "Secret of the Twilio account, which also signs Twilio's callbacks.", shortest=16, example="change-me"
    )
    twilio_api_url: str = setting(
        "Address that replaces Twilio's own, for tests.", "", example="https://api.twilio.com", production=False
    )
    twilio_sms_number: str = setting(
        "Number from which SMS are sent, unless TWILIO_MESSAGING_SERVICE_SID is set.", example="+13055550100"
    )
    twilio_messaging_service_sid: str = setting(
        "Identifier of the messaging service that sends SMS instead of TWILIO_SMS_NUMBER.", ""
    )


class AppSettings(EnvironmentSettings):
    """The app's address, the notifier's public address, and the keys that the app and the notifier share."""

    model_config = SettingsConfigDict(title="The app and the public addresses")

    frontend_url: str = setting(
        "Address of the app, for links in e-mails.",
        "http://localhost:3000",
        example="https://app.example.com",
        production=True,
    )
    api_url: str = setting(
        "Public address of notifier.web, which the providers call back.", example="https://hooks.example.com"
    )
    app_api_token: SecretStr = setting(
        "Bearer token that the app sends to notifier.web.",
        command="openssl rand -hex 32",
        shortest=32,
        example="change-me",
    )
    notifier_secret_key: SecretStr = setting(
        "Key that encrypts verification codes in the database and signs unsubscribe links.",
        command="openssl rand -base64 32 | tr '+/' '-_'",
        shortest=32,
        example="change-me",
    )


class SendingSettings(EnvironmentSettings):
    """Prices, limits and times for deliveries and lookups."""

    model_config = SettingsConfigDict(title="Sending")

    lookup_tokens: NonNegativeInt = setting("Price of a property lookup.", 0, unit="tokens")
    verification_sms_tokens: NonNegativeInt = setting("Price of an SMS with a verification code.", 10, unit="tokens")
    call_window: Annotated[CallWindow, BeforeValidator(_call_window)] = setting(
        "Time of day at which leads may be called, in the time zone of the called number.", "08:00-20:00"
    )
    call_max_minutes: Annotated[int, BeforeValidator(_whole_minutes)] = setting(
        "Longest duration of a call.", 3, unit="minutes"
    )
    calls_per_second: NonNegativeFloat = setting("Largest number of calls to start in a second.", 1, unit="calls")
    phone_countries: Annotated[frozenset[str], BeforeValidator(_countries)] = setting(
        "Countries whose numbers get SMS and calls, as ISO codes separated by commas.", "US,CA,PR,VI,GU,AS,MP"
    )
    codes_per_number: NonNegativeInt = setting(
        "Largest number of verification codes for one phone number in an hour.", 5, unit="codes"
    )
    codes_per_subscriber: NonNegativeInt = setting(
        "Largest number of verification codes for one subscriber in an hour.", 10, unit="codes"
    )
    codes_per_hour: NonNegativeInt = setting(
        "Largest number of verification codes for all subscribers in an hour.", 1_000, unit="codes"
    )
    inbound_lines: NonNegativeInt = setting(
        "Largest number of inbound calls that are in progress for one subscriber.", 5, unit="calls"
    )
    inbound_calls_per_hour: NonNegativeInt = setting(
        "Largest number of calls from one number that are answered in an hour.", 5, unit="calls"
    )
    inbound_calls_per_subscriber: NonNegativeInt = setting(
        "Largest number of calls to one subscriber that are answered in an hour, from all numbers together: a caller's "
        "number may be forged.",
        30,
        unit="calls",
    )
    inbound_free_seconds: NonNegativeInt = setting(
        "Duration below which an inbound call costs no tokens.", 10, unit="seconds"
    )
    call_recording: Literal["off", "announced"] = setting(
        "Whether calls are recorded: off, or announced to all parties first.", "off"
    )
    call_responder: str = setting(
        "Class that replies on calls after the greeting, as module:class; see notifier/voice/responders.py.",
        "notifier.voice.responders:ScriptResponder",
    )
    provider_timeout_seconds: PositiveFloat = setting("Timeout for a provider's answer.", 10, unit="seconds")
    notifier_time_scale: NonNegativeFloat = setting(
        "Factor for retry delays and ages in drills and tests, but not for request timeouts; 1 in production.", 1
    )


class NotifierSettings(
    SharedSettings, RedisSettings, CountyApiSettings, SendGridSettings, TwilioSettings, AppSettings, SendingSettings
):
    """Every setting that the workers and the web service read."""


settings = NotifierSettings.lazily()
