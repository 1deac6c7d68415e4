"""An Airflow plugin: the operators' pages, with an entry in Airflow's navigation.

The entry opens the pages in a window of their own, because the address bar must hold the whole view; a page inside
Airflow's frame has no address that one can send to a colleague.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from operations.pages.app import create_app


class OperatorsPages(AirflowPlugin):
    """Adds the operators' pages to the api-server."""

    name = "operators_pages"
    fastapi_apps = [{"app": create_app(), "url_prefix": "/operations", "name": "operations"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {"name": "Operations", "href": "operations/", "destination": "nav", "category": "browse"}
    ]
