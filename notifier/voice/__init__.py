"""Calls: start them, answer Twilio during them, and reconcile them with Twilio's records afterward."""
