"""Settings that Airflow and docker compose read, but this project's code does not."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from leads.settings import EnvironmentSettings, setting


class ComposeSettings(EnvironmentSettings):
    """Secrets that docker compose and Airflow need to start."""

    model_config = SettingsConfigDict(title="Secrets of the compose file")

    postgres_password: SecretStr = setting(
        "Password of the compose file's PostgreSQL. Use only letters and digits, because it becomes part of a URL.",
        example="change-me",
    )
    airflow__api_auth__jwt_secret: SecretStr = setting(
        "Key that signs the tokens between Airflow's processes. All of them need the same key.",
        command="openssl rand -hex 64",
        example="change-me",
    )
    airflow__core__fernet_key: SecretStr = setting(
        "Key that encrypts the connections in Airflow's database.",
        command="openssl rand -base64 32 | tr '+/' '-_'",
        example="change-me",
    )
    airflow__api__secret_key: SecretStr = setting(
        "Key that signs the sessions of Airflow's UI.", command="openssl rand -hex 32", example="change-me"
    )


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


class DeploymentSettings(ComposeSettings, AirflowConnections):
    """All settings that only a deployment sets."""
