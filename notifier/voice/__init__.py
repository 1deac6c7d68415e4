"""Starts calls, tells Twilio what to say during a call, and reconciles calls with Twilio's records."""
