"""Scheduled work beside the feeds: mailings, monitoring, retention."""
