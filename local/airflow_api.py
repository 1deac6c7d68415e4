"""A client for the few calls to Airflow's REST API that the local stack makes."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class AirflowApi:
    """A client for Airflow's REST API.

    The client logs in with ``user`` and ``password`` when it first needs a token. All methods raise OSError on network
    and HTTP errors.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self.user = user
        self.password = password
        self._token: str | None = None
        # Do not use a proxy, because Airflow runs on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def health(self) -> dict[str, str | None]:
        """Return the status of ``metadatabase``, ``scheduler``, ``dag_processor`` and ``triggerer``."""
        answer = self._call("GET", "/api/v2/monitor/health", anonymous=True)
        return {name: (part or {}).get("status") for name, part in answer.items() if isinstance(part, dict)}

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """Return Airflow's description of the DAG, or None if Airflow has not parsed the DAG's file yet."""
        try:
            return self._call("GET", f"/api/v2/dags/{dag_id}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def import_errors(self) -> list[str]:
        """Return one message for each DAG file that cannot be imported."""
        answer = self._call("GET", "/api/v2/importErrors")
        return [f"{error['filename']}: {error['stack_trace']}" for error in answer["import_errors"]]

    def trigger(self, dag_id: str, logical_date: str | None, conf: dict[str, Any]) -> str:
        """Create a DAG run; return its id."""
        body = {"logical_date": logical_date, "conf": conf}
        return str(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}?update_mask=is_paused", {"is_paused": paused})

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return Airflow's description of one DAG run."""
        return self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}")

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG."""
        return list(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"])

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances"
        return list(self._call("GET", path)["task_instances"])

    def returned(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return the return value of a successful task as parsed JSON, or None if the task returned nothing."""
        run = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}"
        try:
            return self._call("GET", f"{run}/taskInstances/{task_id}/xcomEntries/return_value")["value"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _call(self, method: str, path: str, body: object = None, *, anonymous: bool = False) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if not anonymous:
            headers["Authorization"] = f"Bearer {self._login()}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with self._opener.open(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def _login(self) -> str:
        if self._token is None:
            credentials = {"username": self.user, "password": self.password}
            answer = self._call("POST", "/auth/token", credentials, anonymous=True)
            self._token = str(answer["access_token"])
        return self._token
