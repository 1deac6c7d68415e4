from __future__ import annotations

import shutil
from pathlib import Path

from local.paths import Paths


def test_a_checkout_made_again_at_the_same_place_does_not_meet_data_without_its_password(tmp_path: Path) -> None:
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
