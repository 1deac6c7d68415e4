"""Stop this checkout's processes and remove its state (``make clean``)."""

from __future__ import annotations

import shutil

from local.checkout_lock import end_holder, hold
from local.paths import Paths
from local.processes import stop_leftovers
from local.progress import Progress


def clean(places: Paths, progress: Progress) -> None:
    """Stop this checkout's stack; remove ``.local`` and PostgreSQL's folder. Safe to repeat."""
    if not places.local.exists():
        progress.say("nothing to clean")
        return
    places.prepare()
    if end_holder(places):
        progress.say("stopped the running stack")
    with hold(places):
        if stopped := stop_leftovers(places.processes):
            progress.say(f"stopped {', '.join(stopped)}")
        home = places.recorded_postgres_home()
        if home is not None:
            shutil.rmtree(home)
        shutil.rmtree(places.local)
    progress.say("removed all local state")
