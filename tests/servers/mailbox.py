"""A real SMTP server that receives e-mails to on-call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from local.ports import free_port


@dataclass
class Mailbox:
    """The e-mails that the server has received. While ``refuses`` is true, the server rejects every e-mail."""

    mails: list[EmailMessage] = field(default_factory=list)
    refuses: bool = False
    port: int = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuses:
            return "451 try again later"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=leads@example.com&to=oncall@example.com&mode=insecure"

    def subjects(self) -> list[str]:
        return [str(mail["subject"]) for mail in self.mails]

    def text(self) -> str:
        """Return the body of the latest e-mail."""
        body = self.mails[-1].get_body(("plain", "html"))
        assert body is not None
        return str(body.get_content())


@contextmanager
def running_mailbox() -> Iterator[Mailbox]:
    box = Mailbox(port=free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
