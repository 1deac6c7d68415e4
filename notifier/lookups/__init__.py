"""Property lookups: the function for the app, the worker that calls the county's API, and the wait for the answer."""

from __future__ import annotations

from notifier.lookups.client import LookupFailed, LookupPending, MalformedFolio, lookup, result

__all__ = ["LookupFailed", "LookupPending", "MalformedFolio", "lookup", "result"]
