"""Property lookups. The app calls ``client``, ``worker`` calls the county's API, and ``listener`` wakes callers."""

from __future__ import annotations

from notifier.lookups.client import LookupFailed, LookupPending, MalformedFolio, lookup, result

__all__ = ["LookupFailed", "LookupPending", "MalformedFolio", "lookup", "result"]
