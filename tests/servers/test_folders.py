"""If a test run is killed, the next run removes the killed run's folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local.paths import ROOT
from tests.servers.folders import remove_leftovers

PROCESS = """
import sys
from pathlib import Path
from tests.servers.folders import process_folder
folder = process_folder(Path(sys.argv[1]))
(folder / "data").write_text("kept while this process lives")
print(folder, flush=True)
sys.stdin.read()
"""


def test_only_the_folders_of_processes_that_were_killed_are_removed(tmp_path: Path) -> None:
    with started(tmp_path) as living, started(tmp_path) as killed:
        assert living.stdout is not None
        assert killed.stdout is not None
        kept, left = Path(living.stdout.readline().strip()), Path(killed.stdout.readline().strip())
        killed.kill()
        killed.wait(10)
        assert left.exists()
        remove_leftovers(tmp_path)
        assert not left.exists()
        assert (kept / "data").exists()
        living.communicate(timeout=10)
    assert list(tmp_path.iterdir()) == []


def started(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
