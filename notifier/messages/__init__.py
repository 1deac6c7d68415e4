"""Wording only: each function makes a template's fields or an SMS's text from one composed row."""
