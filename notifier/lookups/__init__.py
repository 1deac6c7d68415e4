"""Property lookups: what the app calls, the worker that asks the county, and the wait for its answer."""

from __future__ import annotations

from notifier.lookups.client import LookupFailed, LookupPending, MalformedFolio, lookup, result

__all__ = ["LookupFailed", "LookupPending", "MalformedFolio", "lookup", "result"]
