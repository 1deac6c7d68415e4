"""Settings from the environment, read when they are needed; the names are those of ``.env.example``."""

from __future__ import annotations

import os


class MissingSetting(RuntimeError):
    """A setting without a default is not set."""


def text(name: str, default: str | None = None) -> str:
    """The setting ``name``; raises MissingSetting when it is not set and there is no ``default``."""
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise MissingSetting(f"{name} is not set: set it in the environment (.env.example says what it is)")
    return value


def number(name: str, default: float) -> float:
    """A setting that is a number; raises ValueError naming it when it is something else."""
    value = text(name, str(default))
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} is {value!r}: set it to a number, or leave it out for {default:g}") from None


def database_url() -> str:
    """Address of the leads database."""
    return text("DATABASE_URL")


def time_scale() -> float:
    """Multiplies retry delays, ages and the breaker's minute, for drills and tests; HTTP timeouts stay."""
    return number("NOTIFIER_TIME_SCALE", 1)


def provider_timeout() -> float:
    """Seconds that a provider may take to answer."""
    return number("PROVIDER_TIMEOUT_SECONDS", 10)


def template(kind: str) -> str:
    """SendGrid's id of the dynamic template for an e-mail kind."""
    return text(f"SENDGRID_TEMPLATE_{kind.upper()}")


def sender(purpose: str) -> str:
    """The address that e-mails of a purpose (LEADS, WELCOME, DIGEST, BILLING, SUPPORT) come from."""
    return text(f"SENDGRID_FROM_{purpose.upper()}")
