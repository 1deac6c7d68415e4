"""E-mail and SMS: the kinds of each, who is eligible for them, how they are sent, and SMS reconciliation."""
