"""Calls: outbound, the session of a call in progress, responders, and reconciliation with Twilio."""
