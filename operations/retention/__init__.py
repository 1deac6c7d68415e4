"""Retention: which rows are archived and deleted, and when."""
