"""E-mail and SMS: kinds, eligibility, sending, and SMS reconciliation."""
