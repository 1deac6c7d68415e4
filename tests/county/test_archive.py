"""Both kinds of archive keep objects unchanged, and only the archive's owner can read its objects."""

from __future__ import annotations

import io
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from county.archive import ABANDONED_AFTER, Archive, FileArchive, open_archive
from county.errors import ArchiveConflict, ArchiveUnavailable, NotArchived, PermanentIngestionError
from county.gcs_archive import GcsArchive
from county.zips import open_lines
from tests.county.disk import no_file_longer_than
from tests.servers.folders import service_folder
from tests.servers.object_storage import BUCKET, ObjectStorage

CASES = "daily/2026-11-20/Cases.exp"


def file(tmp_path: Path, content: bytes) -> BinaryIO:
    path = tmp_path / "source"
    path.write_bytes(content)
    return path.open("rb")


def test_other_content_never_replaces_an_archived_object(archive: Archive, tmp_path: Path) -> None:
    archive.put(CASES, file(tmp_path, b"1"))
    archive.put(CASES, file(tmp_path, b"1"))
    with pytest.raises(ArchiveConflict, match="refetch"):
        archive.put(CASES, file(tmp_path, b"2"))
    assert archive.open(CASES).read() == b"1"
    assert archive.names("daily/2026-11-20") == ["Cases.exp"], "no other object was written"


def test_what_is_archived_is_what_was_given(archive: Archive, tmp_path: Path) -> None:
    content = os.urandom(9 << 20)  # More bytes than fit in one upload request.
    source = file(tmp_path, content)
    archive.put(CASES, source)
    assert archive.facts(CASES) == (len(content), archive.checksum(source))
    assert archive.open(CASES).read() == content


def test_a_zip_is_read_in_place(archive: Archive, tmp_path: Path) -> None:
    records = os.urandom(3 << 20)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as members:
        members.writestr("11202026.exp", records)
    name = "daily/2026-11-20/dly_records_11202026.zip"
    archive.put(name, file(tmp_path, zipped.getvalue()))
    with open_lines(archive, name, "dly_records") as lines:
        assert lines.read() == records


def test_folders_are_listed_one_by_one(archive: Archive, tmp_path: Path) -> None:
    assert archive.names("daily/2026-11-20") == []
    for name in ("Parties.exp", "Cases.exp"):
        archive.put(f"daily/2026-11-20/{name}", file(tmp_path, b"1"))
    archive.put("daily/2026-11-201/Cases.exp", file(tmp_path, b"1"))
    archive.put("daily/2026-11-20/deeper/Cases.exp", file(tmp_path, b"1"))
    assert [name for name in archive.names("daily/2026-11-20") if "." in name] == ["Cases.exp", "Parties.exp"]


def test_an_object_that_is_not_there_is_named_with_the_remedy(archive: Archive) -> None:
    for ask in (archive.open, archive.facts):
        with pytest.raises(NotArchived, match=r"Cases\.exp is not in the archive .* clear the task fetch"):
            ask(CASES)


@pytest.mark.parametrize("url", ["", "s3://bucket/x", "relative/folder", "file://host/folder", "gs:///folder"])
def test_an_archive_address_that_nothing_serves_is_refused(url: str) -> None:
    with pytest.raises(PermanentIngestionError, match="ARCHIVE_URL"):
        open_archive(url)


# ── in a folder ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_private(tmp_path: Path) -> None:
    FileArchive(tmp_path / "archive").put(CASES, file(tmp_path, b"1"))
    target = tmp_path / "archive" / CASES
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in list(target.parents)[:3]} == {0o700}


def test_what_a_killed_task_has_left_is_no_object_and_goes_away(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path / "archive")
    folder = archive.root / "daily/2026-11-20"
    folder.mkdir(parents=True)
    old, young = folder / ".partial-old", folder / ".partial-young"
    for partial in (old, young):
        partial.write_bytes(b"half")
    long_ago = time.time() - ABANDONED_AFTER - 1
    os.utime(old, (long_ago, long_ago))
    assert archive.names("daily/2026-11-20") == []
    archive.put(CASES, file(tmp_path, b"1"))
    assert not old.exists()
    assert young.exists(), "another task may still write this file"


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path / "archive")
    source = file(tmp_path, b"x" * 500_000)
    with no_file_longer_than(100_000), pytest.raises(ArchiveUnavailable, match="Free space there"):
        archive.put(CASES, source)
    assert list(archive.root.glob("**/*.exp")) + list(archive.root.glob("**/.partial-*")) == []
    archive.put(CASES, source)
    assert archive.facts(CASES)[0] == 500_000


def test_a_folder_that_cannot_be_written_needs_a_human(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"a file where the archive should be")
    archive = FileArchive(tmp_path / "taken")
    with pytest.raises(
        PermanentIngestionError, match=r"cannot store daily/2026-11-20/Cases\.exp in the archive .* ARCHIVE_URL"
    ):
        archive.put(CASES, file(tmp_path, b"1"))
    with pytest.raises(PermanentIngestionError, match="cannot list"):
        archive.names("daily/2026-11-20")


def test_a_read_only_folder_needs_a_human(tmp_path: Path) -> None:
    source = file(tmp_path, b"1")
    with service_folder("archive") as folder:
        folder.chmod(0o555)
        with (
            as_somebody_else(),
            pytest.raises(PermanentIngestionError, match="Let the user that Airflow runs as read and write there"),
        ):
            FileArchive(folder).put(CASES, source)


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Run the block without root's permissions."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# ── in a bucket ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bucket(object_storage: ObjectStorage) -> GcsArchive:
    return GcsArchive(BUCKET, "miami_dade_archives", timeout=1)


def test_objects_are_private(bucket: GcsArchive, object_storage: ObjectStorage, tmp_path: Path) -> None:
    bucket.put(CASES, file(tmp_path, b"1"))
    made = object_storage.object(f"miami_dade_archives/{CASES}")
    assert made["cacheControl"] == "private, no-store"
    assert not {"allUsers", "allAuthenticatedUsers"} & {entry["entity"] for entry in made["acl"]}
    assert [r for r in object_storage.requests if "predefinedAcl" in r] == [], (
        "uploads do not change the bucket's access rules"
    )


def test_each_upload_demands_that_the_name_is_free(
    bucket: GcsArchive, object_storage: ObjectStorage, tmp_path: Path
) -> None:
    bucket.put(CASES, file(tmp_path, b"1"))
    bucket.put("daily/2026-11-20/Parties.exp", file(tmp_path, b"x" * (9 << 20)))
    uploads = [r for r in object_storage.requests if r.startswith("POST /upload")]
    assert len(uploads) >= 2
    assert all("ifGenerationMatch=0" in r for r in uploads)


def test_what_arrives_damaged_does_not_stay(bucket: GcsArchive, object_storage: ObjectStorage, tmp_path: Path) -> None:
    object_storage.damage = lambda body: body.replace(b"a record", b"a rec0rd")
    with pytest.raises(ArchiveUnavailable, match="arrived damaged"):
        bucket.put(CASES, file(tmp_path, b"a record"))
    assert bucket.names("daily/2026-11-20") == []
    object_storage.damage = None
    bucket.put(CASES, file(tmp_path, b"a record"))
    assert bucket.open(CASES).read() == b"a record"


def test_a_missing_bucket_is_named(object_storage: ObjectStorage, tmp_path: Path) -> None:
    elsewhere = GcsArchive("no-such-bucket", "x", timeout=1)
    for ask in (
        lambda: elsewhere.names("daily/2026-11-20"),
        lambda: elsewhere.put(CASES, file(tmp_path, b"1")),
        lambda: elsewhere.open(CASES),
    ):
        with pytest.raises(
            PermanentIngestionError, match=r"there is no bucket no-such-bucket\. Create it or correct ARCHIVE_URL"
        ):
            ask()


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, PermanentIngestionError, "roles Storage Object Creator and Viewer"),
        (403, PermanentIngestionError, "roles Storage Object Creator and Viewer"),
        (429, ArchiveUnavailable, "the next try continues"),
        (503, ArchiveUnavailable, "the next try continues"),
    ],
)
def test_permanent_errors_of_the_service_differ_from_temporary_ones(
    bucket: GcsArchive, object_storage: ObjectStorage, tmp_path: Path, status: int, error: type[Exception], said: str
) -> None:
    object_storage.status = status
    for ask in (lambda: bucket.names("daily/2026-11-20"), lambda: bucket.put(CASES, file(tmp_path, b"1"))):
        with pytest.raises(error, match=said):
            ask()


def test_lines_are_read_fast_from_a_bucket(bucket: GcsArchive) -> None:
    """Searching for line endings byte by byte would take ten seconds for 100,000 lines.

    A parcel roll has a million lines.
    """
    content = b"x" * 150 + b"\n"
    bucket.put(CASES, io.BytesIO(content * 100_000))
    with bucket.open(CASES) as stream:
        started = time.process_time()
        assert sum(line == content for line in stream) == 100_000
    assert time.process_time() - started < 4


def test_an_outage_of_the_service_during_a_read_raises_archive_unavailable(
    bucket: GcsArchive, object_storage: ObjectStorage, tmp_path: Path
) -> None:
    bucket.put(CASES, file(tmp_path, b"x" * (20 << 20)))
    with bucket.open(CASES) as stream:
        assert len(stream.read(1 << 20)) == 1 << 20
        object_storage.status = 503
        with pytest.raises(ArchiveUnavailable, match="cannot read"):
            while stream.read(1 << 20):
                pass


def test_an_unreachable_service_is_named(object_storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with pytest.raises(ArchiveUnavailable, match="check the service"):
        GcsArchive(BUCKET, "x", timeout=1).names("daily/2026-11-20")


def test_a_missing_connection_is_named(object_storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT")
    with pytest.raises(PermanentIngestionError, match="Define Airflow's connection google_cloud_default"):
        GcsArchive(BUCKET, "x").names("daily/2026-11-20")
