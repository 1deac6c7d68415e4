"""E-mail and SMS: who is eligible, how a claim is sent, and what became of texts without an answer."""
