"""Creates the passwords of Airflow's users. If Airflow created the passwords itself, it would print them to its log.

``python -m leads.airflow_passwords`` creates a random password for each user in
AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS who has no password yet, and writes it to the file
AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE. Only the user who runs the process can read the file.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path


def main() -> None:
    """Write the password file; keep the passwords that it already contains."""
    path = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    users = [pair.partition(":")[0] for pair in os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"].split(",")]
    path.touch(mode=0o600)
    kept = json.loads(path.read_text("utf-8") or "{}")
    path.write_text(json.dumps({user: secrets.token_urlsafe(16) for user in users} | kept), "utf-8")


if __name__ == "__main__":
    main()
