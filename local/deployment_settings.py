"""Settings that Airflow and docker compose read, but this project's code does not."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from leads.settings import EnvironmentSettings, setting


class ComposeSettings(EnvironmentSettings):
    """Secrets that docker compose and Airflow need to start."""

    model_config = SettingsConfigDict(title="Secrets of the compose file")

    postgres_password: SecretStr = setting(
        "Password of the compose file's PostgreSQL: letters and digits only, because it becomes part of an address.",
        example="change-me",
    )
    airflow__api_auth__jwt_secret: SecretStr = setting(
        "Signs the tokens that Airflow's processes exchange. All of them need the same value.",
        command="openssl rand -hex 64",
        example="change-me",
    )
    airflow__core__fernet_key: SecretStr = setting(
        "Encrypts connections in Airflow's database.",
        command="openssl rand -base64 32 | tr '+/' '-_'",
        example="change-me",
    )
    airflow__api__secret_key: SecretStr = setting(
        "Signs the sessions of Airflow's UI.", command="openssl rand -hex 32", example="change-me"
    )


class AirflowConnections(EnvironmentSettings):
    """Airflow's connections; each may be a URL or JSON."""

    model_config = SettingsConfigDict(title="Airflow's connections")

    airflow_conn_leads_db: SecretStr = setting(
        "The leads database. If unset, DATABASE_URL is used.",
        "",
        example="postgresql://leads:change-me@localhost:5432/leads",
    )
    airflow_conn_miami_dade_ftp: SecretStr = setting(
        'The county\'s FTP server. "extra": {"tls": true} makes it FTPS (encrypted). Adding "ca_file": '
        '"/path/county.pem" also checks the server\'s certificate.',
        example='{"conn_type": "ftp", "host": "ftp.example.com", "login": "change-me", "password": "change-me"}',
    )
    airflow_conn_google_cloud_default: SecretStr = setting(
        "Google Cloud, for an archive in gs://.",
        "",
        example='{"conn_type": "google_cloud_platform", "extra": {"project": "example"}}',
    )
    airflow_conn_airflow_db: SecretStr = setting(
        "Airflow's own database, which data_cleanup keeps small. If unset, docker compose supplies the address of its "
        "own database. Elsewhere, data_cleanup skips Airflow's database.",
        "",
        example="postgresql://leads:change-me@localhost:5432/airflow",
    )


class DeploymentSettings(ComposeSettings, AirflowConnections):
    """All settings that only a deployment sets."""
