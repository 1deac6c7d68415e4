"""Links from the DAGs to this project's documentation."""

from __future__ import annotations

from county.settings import settings

OWNER = "data-engineering"


def with_link(doc_md: str | None, page: str) -> str:
    """Return a DAG's documentation with a link to ``docs/<page>``, or with the page's path if ``DOCS_URL`` is unset."""
    url = settings.docs_url
    link = f"[docs/{page}]({url.rstrip('/')}/{page})" if url else f"`docs/{page}` in the project's checkout"
    return f"{doc_md or ''}\nMore: {link}.\n"


def owner_links() -> dict[str, str]:
    """Return the link for the owner's name in Airflow's list of DAGs, or an empty dict if ``DOCS_URL`` is unset."""
    url = settings.docs_url
    return {OWNER: url} if url else {}
