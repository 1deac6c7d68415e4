"""Settings that are read by Airflow and docker compose but not by this project's other code.

``python -m leads.deployment_settings`` checks the settings in its environment. The command exits with 1 and names each
setting that is a placeholder or too short. The compose file runs the command before any other service starts.
"""

from __future__ import annotations

import sys

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from leads.settings import EnvironmentSettings, InvalidSetting, setting


class ComposeSettings(EnvironmentSettings):
    """Secrets that docker compose and Airflow need to start."""

    model_config = SettingsConfigDict(title="Secrets of the compose file")

    postgres_password: SecretStr = setting(
        "Password of the compose file's PostgreSQL. Use only letters and digits: the password is part of a URL.",
        command="openssl rand -hex 24",
        shortest=16,
        example="change-me",
    )
    redis_password: SecretStr = setting(
        "Password of the compose file's Redis. Use only letters and digits: the password is part of a URL.",
        command="openssl rand -hex 24",
        shortest=16,
        example="change-me",
    )
    airflow__api_auth__jwt_secret: SecretStr = setting(
        "Key that signs the tokens between Airflow's processes. All these processes need the same key.",
        command="openssl rand -hex 64",
        shortest=64,
        example="change-me",
    )
    airflow__core__fernet_key: SecretStr = setting(
        "Key that encrypts the connections in Airflow's database.",
        command="openssl rand -base64 32 | tr '+/' '-_'",
        shortest=44,
        example="change-me",
    )
    airflow__api__secret_key: SecretStr = setting(
        "Key that signs the sessions of Airflow's UI.", command="openssl rand -hex 32", shortest=32, example="change-me"
    )


class ImageSettings(EnvironmentSettings):
    """The images that docker compose pulls from a registry."""

    model_config = SettingsConfigDict(title="Images of the compose file")

    python_image: str = setting(
        "Image from which both images are built. With a digest (python@sha256:…), each build gets the same files.",
        "python:3.11-slim-bookworm",
    )
    postgres_image: str = setting("Image of PostgreSQL; it may have a digest.", "postgres:18")
    redis_image: str = setting("Image of Redis; it may have a digest.", "redis:7.2")


class AirflowConnections(EnvironmentSettings):
    """Airflow's connections. Each connection may be a URL or JSON."""

    model_config = SettingsConfigDict(title="Airflow's connections")

    airflow_conn_leads_db: SecretStr = setting(
        "Address of the leads database. If unset, Airflow uses DATABASE_URL.",
        "",
        example="postgresql://leads:change-me@localhost:5432/leads",
    )
    airflow_conn_miami_dade_ftp: SecretStr = setting(
        'The county\'s FTP server. "extra": {"tls": true} switches to FTPS (encrypted). "extra": {"tls": true, '
        '"ca_file": "/path/county.pem"} also checks the server\'s certificate.',
        example='{"conn_type": "ftp", "host": "ftp.example.com", "login": "change-me", "password": "change-me"}',
    )
    airflow_conn_google_cloud_default: SecretStr = setting(
        "Google Cloud, for an archive in gs://.",
        "",
        example='{"conn_type": "google_cloud_platform", "extra": {"project": "example"}}',
    )
    airflow_conn_airflow_db: SecretStr = setting(
        "Address of Airflow's own database, which data_cleanup keeps small. If unset, docker compose supplies the "
        "address of its own database, and other deployments skip that part of data_cleanup.",
        "",
        example="postgresql://leads:change-me@localhost:5432/airflow",
    )


class DeploymentSettings(ComposeSettings, ImageSettings, AirflowConnections):
    """All settings that only a deployment sets."""


def main() -> int:
    """Check the deployment's settings; return 1 if the deployment must not start with them, else 0."""
    try:
        DeploymentSettings.refuse_unsafe()
    except InvalidSetting as unsafe:
        print(f"this deployment does not start: {unsafe}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
