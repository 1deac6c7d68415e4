"""Migrate Airflow's own database and create the pools: ``python -m local.airflow_metadata``.

One process does the work of three ``airflow`` commands, because each command would spend 4 to 5 seconds on imports.
"""

from __future__ import annotations

import json
from typing import Any

from local.paths import ROOT


def main() -> None:
    """Migrate the database, then create or update the pools listed in ``dags/pools.json``."""
    from airflow.models.pool import Pool
    from airflow.utils import db

    db.upgradedb()
    path = ROOT / "dags" / "pools.json"
    pools: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name, pool in pools.items():
        Pool.create_or_update_pool(
            name,
            slots=int(pool["slots"]),
            description=str(pool["description"]),
            include_deferred=bool(pool.get("include_deferred", False)),
        )
        print(f"pool {name}: {pool['slots']} slots")


if __name__ == "__main__":
    main()
