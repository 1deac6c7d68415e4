"""Calls: starts calls, answers Twilio during a call, and reconciles calls with Twilio's records."""
