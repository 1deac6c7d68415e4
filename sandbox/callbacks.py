"""Send callbacks to the web service the way Twilio and SendGrid do: over real HTTP, with a valid signature.

Twilio's signature covers the web service's public address. The service may listen at a different address, as it does
behind a proxy.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twilio.request_validator import RequestValidator


class Twilio:
    """Sends Twilio's callbacks to a service that listens at ``url`` and that Twilio knows as ``public_url``."""

    def __init__(self, url: str, public_url: str, token: str) -> None:
        self.url, self.public_url = url, public_url
        self._validator = RequestValidator(token)
        self._session = _session()

    def post(self, address: str, fields: Mapping[str, str], signature: str | None = None) -> requests.Response:
        """Post ``fields`` to a path or URL of the service. If given, ``signature`` replaces the correct signature."""
        parts = urlsplit(address)
        where = parts.path + (f"?{parts.query}" if parts.query else "")
        signed = self._validator.compute_signature(self.public_url + where, dict(fields))
        headers = {"X-Twilio-Signature": signed if signature is None else signature, "User-Agent": "TwilioProxy/1.1"}
        return self._session.post(self.url + where, data=dict(fields), headers=headers, timeout=15)

    def play(self, call: Mapping[str, str], sid: str, *words: str, **fields: str) -> list[requests.Response]:
        """Send an outbound call's callbacks, one for each item in ``words``; return the service's answers.

        ``call`` holds the fields of the request that started the call. Each word is either a call status, or ``answer``
        for the request in which Twilio asks what to say.
        """
        base = {"CallSid": sid, "From": call["From"], "To": call["To"], "Direction": "outbound-api", **fields}
        answers = []
        for word in words:
            if word == "answer":
                answers.append(self.post(call["Url"], {**base, "CallStatus": "in-progress"}))
            else:
                answers.append(self.post(call["StatusCallback"], {**base, "CallStatus": word}))
        return answers


class SendGrid:
    """Sends SendGrid's event callbacks, signed with a key pair that each instance creates."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._session = _session()

    @property
    def public_key(self) -> str:
        """Return the public key to set as SENDGRID_WEBHOOK_PUBLIC_KEY."""
        kind, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return base64.b64encode(self._key.public_key().public_bytes(kind, form)).decode()

    def post(self, events: Sequence[Any] | bytes, *, age: float = 0, **headers: str) -> requests.Response:
        """Post a batch of events with a signature and a timestamp from ``age`` seconds ago.

        ``Signature`` and ``Timestamp`` in ``headers`` replace the correct values.
        """
        # Append CRLF to the body, the way SendGrid does. The signature covers every byte.
        body = events if isinstance(events, bytes) else (json.dumps(list(events)) + "\r\n").encode()
        timestamp = headers.get("Timestamp", str(int(time.time() - age)))
        signature = base64.b64encode(self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
        prefix = "X-Twilio-Email-Event-Webhook-"
        signed = {f"{prefix}Signature": headers.get("Signature", signature), f"{prefix}Timestamp": timestamp}
        kept = {name: value for name, value in signed.items() if value}
        return self._session.post(
            f"{self.url}/sendgrid/events", data=body, headers={"Content-Type": "application/json", **kept}, timeout=15
        )


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
