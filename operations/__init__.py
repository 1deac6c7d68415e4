"""Scheduled work other than the feeds: mailings, monitoring, retention."""
