from __future__ import annotations

import shutil
from pathlib import Path

from local.paths import Paths


def test_a_new_checkout_at_an_old_path_does_not_use_the_old_data(tmp_path: Path) -> None:
    places = Paths(root=tmp_path)
    places.prepare()
    home = places.postgres_home()
    try:
        (home / "data").mkdir()
        assert (places.postgres_home() / "data").exists()
        shutil.rmtree(places.local)
        places.prepare()
        assert not (places.postgres_home() / "data").exists()
    finally:
        shutil.rmtree(home)
