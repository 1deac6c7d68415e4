"""Compute the settings for a local stack's DAGs and notifier."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from local.paths import Paths
from local.ports import LOOPBACK
from sandbox import FTP_PASSWORD, FTP_USER

FOREIGN_PREFIXES = ("AIRFLOW_", "_AIRFLOW_", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
"""The stack never inherits these variables. An exported AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, for example, may point to
production."""

ALWAYS_OURS = {
    "SENDGRID_API_URL": "{sandbox}",
    "TWILIO_API_URL": "{sandbox}",
    "MIAMI_DADE_API_URL": "{sandbox}/Developers/api",
    "PARCEL_ROLL_URL": "{sandbox}/parcel_roll.csv",
    "ONCALL_URLS": "json://{sandbox_address}/oncall",
    "ADMIN_ALERT_EMAIL": "",
}
"""These settings override the caller's, so that the stack never reaches a real provider or a real person."""

DEFAULTS = {
    "SENDGRID_API_KEY": "SG.sandbox.key",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "sandbox-auth-token",
    "TWILIO_SMS_NUMBER": "+13055550100",
    "MIAMI_DADE_AUTH_KEY": "sandbox-clerk-key",
    "API_URL": "http://localhost:8000",
    "SENDGRID_FROM_LEADS": "leads@example.com",
    "SENDGRID_FROM_WELCOME": "welcome@example.com",
    "SENDGRID_FROM_DIGEST": "digest@example.com",
    "SENDGRID_FROM_BILLING": "billing@example.com",
    "SENDGRID_FROM_SUPPORT": "support@example.com",
    "SENDGRID_TEMPLATE_NEW_LEAD_ALERT": "d-new-lead-alert",
    "SENDGRID_TEMPLATE_DAILY_DIGEST": "d-daily-digest",
    "SENDGRID_TEMPLATE_WEEKLY_REPORT": "d-weekly-report",
    "SENDGRID_TEMPLATE_WELCOME_EMAIL": "d-welcome-email",
    "SENDGRID_TEMPLATE_LOW_TOKEN_BALANCE": "d-low-token-balance",
    "SENDGRID_TEMPLATE_CALL_FAILED": "d-call-failed",
    "SENDGRID_TEMPLATE_EXPIRING_TRIAL": "d-expiring-trial",
    "SENDGRID_TEMPLATE_PAYMENT_RECEIPT": "d-payment-receipt",
}
"""The values of settings that are missing in the caller's environment."""


@dataclass(frozen=True)
class Sandbox:
    """The ports of the running sandbox, which stands in for the county and the providers.

    ``sendgrid_public_key`` verifies the signatures of the sandbox's SendGrid events.
    """

    ftp_port: int
    http_port: int
    sendgrid_public_key: str = ""

    @property
    def url(self) -> str:
        """Return the URL of the sandbox's HTTP server."""
        return f"http://{LOOPBACK}:{self.http_port}"


def own_server(name: str) -> str | None:
    """Return the caller's ``DATABASE_URL`` or ``REDIS_URL``, or None if the variable is not set."""
    return os.environ.get(name, "").strip() or None


def leads_settings(
    places: Paths,
    keys: Mapping[str, str],
    *,
    database_url: str,
    redis_url: str,
    sandbox: Sandbox,
    web_port: int | None = None,
) -> dict[str, str]:
    """Return the settings for the DAGs and the notifier.

    The caller's environment takes precedence, except for settings through which the stack could reach a real provider
    or person. ``web_port`` is the port of this stack's web service, if the stack has one. The caller's API_URL may give
    a different URL for the web service. The demo always uses its own archive, because the sandbox's county files must
    not get into a real archive.
    """
    archive = (places.state / "archive").as_uri()
    settings = {
        **DEFAULTS,
        "NOTIFIER_SECRET_KEY": keys["notifier_secret_key"],
        "APP_API_TOKEN": keys["app_api_token"],
        "ARCHIVE_URL": archive,
    }
    if web_port is not None:
        settings["API_URL"] = f"http://{LOOPBACK}:{web_port}"
    settings |= {name: value for name in settings if (value := os.environ.get(name))}
    if places.profile == "demo":
        settings["ARCHIVE_URL"] = archive
    if sandbox.sendgrid_public_key:
        settings["SENDGRID_WEBHOOK_PUBLIC_KEY"] = sandbox.sendgrid_public_key
    for name, pattern in ALWAYS_OURS.items():
        settings[name] = pattern.format(sandbox=sandbox.url, sandbox_address=f"{LOOPBACK}:{sandbox.http_port}")
    return settings | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


def inherited(places: Paths) -> dict[str, str]:
    """Return the caller's environment, adapted for the stack's processes.

    Leaves out the variables whose names begin with one of FOREIGN_PREFIXES, and puts ``.venv/bin`` first on the PATH.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    kept["PATH"] = os.pathsep.join([str(places.executables), os.environ.get("PATH", os.defpath)])
    # Do not use a proxy: the stack connects only to this machine, which a proxy could not reach.
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, [kept.get(name), LOOPBACK, "localhost"]))
    return kept | {"PYTHONUNBUFFERED": "1"}


def postgres_connection(url: str) -> str:
    """Return an Airflow connection (JSON) to the database at ``url``, with all of the URL's libpq parameters."""
    parameters: dict[str, Any] = dict(conninfo_to_dict("postgresql://" + url.partition("://")[2]))
    port = parameters.pop("port", None)
    connection = {
        "conn_type": "postgres",
        "host": parameters.pop("host", None),
        "port": int(port) if port else None,
        "login": parameters.pop("user", None),
        "password": parameters.pop("password", None),
        "schema": parameters.pop("dbname", None),
        "extra": parameters,
    }
    return json.dumps({name: value for name, value in connection.items() if value not in (None, {})})


def ftp_connection(sandbox: Sandbox) -> str:
    """Return an Airflow connection (JSON) to the sandbox's FTP server."""
    return json.dumps(
        {
            "conn_type": "ftp",
            "host": LOOPBACK,
            "port": sandbox.ftp_port,
            "login": FTP_USER,
            "password": FTP_PASSWORD,
        }
    )
