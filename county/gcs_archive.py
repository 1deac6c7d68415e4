"""An archive in a Google Cloud Storage bucket, reached through Airflow's connection ``google_cloud_default``."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, BinaryIO, cast

import google_crc32c
import requests
from airflow.providers.google.cloud.hooks.gcs import GCSHook
from airflow.sdk.exceptions import AirflowException
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.retry import DEFAULT_RETRY

from county.errors import ArchiveUnavailable, IngestionError, PermanentIngestionError, archive_conflict, not_archived

GOOGLE_CLOUD = "google_cloud_default"
#: The number of bytes that one request uploads or downloads. Google requires a multiple of 256 KiB.
CHUNK = 8 << 20
#: The number of bytes that a reader reads at a time from a downloaded chunk.
READ_AHEAD = 1 << 20


class GcsArchive:
    """The archive at ``gs://bucket/folder``; the client honors ``STORAGE_EMULATOR_HOST``.

    An object is written only if no object with its name exists. Access to an object is controlled only by the bucket's
    access rules. If the service does not answer, a request is retried for up to ``timeout`` seconds.
    """

    def __init__(self, bucket: str, folder: str, *, timeout: float = 60) -> None:
        self.bucket = bucket
        self.folder = folder
        self.url = f"gs://{bucket}/{folder}"
        self._retry = DEFAULT_RETRY.with_timeout(timeout)
        self._client: Any = None

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the objects in ``folder``."""
        prefix = self._path(folder) + "/"
        with self._explained(f"list {folder}"):
            found = self._storage().list_blobs(self.bucket, prefix=prefix, delimiter="/", retry=self._retry)
            return sorted(blob.name.removeprefix(prefix) for blob in found)

    def put(self, name: str, source: BinaryIO) -> None:
        """Upload a file, unless its object exists, and verify the object's checksum."""
        expected = (_size(source), self.checksum(source))
        blob = self._blob(name)
        blob.cache_control = "private, no-store"
        source.seek(0)
        with self._explained(f"store {name}"):
            try:
                blob.upload_from_file(
                    source, size=expected[0], if_generation_match=0, checksum="crc32c", retry=self._retry
                )
            except api.PreconditionFailed:
                # A retried upload gets this error if the first attempt succeeded but its response was lost.
                if self.facts(name) != expected:
                    raise archive_conflict(name) from None
                return
            if (blob.size, f"crc32c:{blob.crc32c}") != expected:
                blob.delete(if_generation_match=blob.generation, retry=self._retry)
                raise ArchiveUnavailable(
                    f"{name} arrived damaged in {self.url} and was removed; nothing was staged; the next try continues."
                )

    def facts(self, name: str) -> tuple[int, str]:
        """Return the size (bytes) and checksum of an object."""
        with self._explained(f"inspect {name}"):
            blob = self._storage().bucket(self.bucket).get_blob(self._path(name), retry=self._retry)
            if blob is None:
                self._need_bucket()
                raise not_archived(name, self.url)
            return int(blob.size), f"crc32c:{blob.crc32c}"

    def checksum(self, source: BinaryIO) -> str:
        """Return the CRC32C of ``source`` in the form that ``facts`` returns."""
        source.seek(0)
        checksum = google_crc32c.Checksum()
        while block := source.read(1 << 20):
            checksum.update(block)
        return "crc32c:" + base64.b64encode(checksum.digest()).decode()

    def open(self, name: str) -> BinaryIO:
        """Open an object as a stream that is downloaded block by block."""
        with self._explained(f"read {name}"):
            blob = self._storage().bucket(self.bucket).get_blob(self._path(name), retry=self._retry)
            if blob is None:
                self._need_bucket()
                raise not_archived(name, self.url)
            blob.chunk_size = CHUNK
            # All blocks come from the same generation of the object, even if the object is replaced during the
            # download.
            stream = blob.open("rb", if_generation_match=blob.generation, retry=self._retry)
        reader = _Reader(stream, lambda: self._explained(f"read {name}"))
        # Without this buffer, the stream would read one byte at a time to find the end of a line.
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader), READ_AHEAD))

    def remove_folders_before(self, folder: str, day: date, *, dry_run: bool) -> int:
        """Return 0; the bucket's lifecycle rule removes old objects, and the account is not allowed to remove any."""
        return 0

    def _storage(self) -> Any:
        if self._client is None:
            self._client = GCSHook(gcp_conn_id=GOOGLE_CLOUD).get_conn()
        return self._client

    def _blob(self, name: str) -> Any:
        with self._explained(f"store {name}"):
            return self._storage().bucket(self.bucket).blob(self._path(name), chunk_size=CHUNK)

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name

    def _need_bucket(self) -> None:
        """Raise NotFound if the bucket is missing; only a listing can tell a missing bucket from a missing object."""
        next(iter(self._storage().list_blobs(self.bucket, max_results=1, retry=self._retry)), None)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except IngestionError:
            raise
        except (api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError, requests.RequestException, OSError) as e:
            raise self._trouble(e, f"cannot {what} in the archive {self.url}") from e
        except AirflowException as error:
            raise PermanentIngestionError(
                f"cannot {what} in the archive {self.url}: {error}. Define Airflow's connection {GOOGLE_CLOUD}."
            ) from error

    def _trouble(self, error: Exception, said: str) -> IngestionError:
        if isinstance(error, api.NotFound):
            return PermanentIngestionError(
                f"{said}: there is no bucket {self.bucket}. Create it or correct ARCHIVE_URL, then clear this task; "
                "nothing was staged."
            )
        if isinstance(error, api.Forbidden | api.Unauthorized | auth.DefaultCredentialsError | auth.RefreshError):
            return PermanentIngestionError(
                f"{said}: {_first_line(error)}. Give the account of Airflow's connection {GOOGLE_CLOUD} the roles "
                "Storage Object Creator and Viewer on the bucket, then clear this task; nothing was staged."
            )
        if isinstance(error, api.ClientError) and not isinstance(error, api.TooManyRequests):
            return PermanentIngestionError(f"{said}: {_first_line(error)}. Correct ARCHIVE_URL; nothing was staged.")
        return ArchiveUnavailable(
            f"{said}: {_first_line(error)}. If this persists, check the service (or STORAGE_EMULATOR_HOST); nothing "
            "was staged; the next try continues."
        )


class _Reader(io.BufferedIOBase):
    """A stream that reads an object and translates Google's errors into errors from ``county.errors``."""

    def __init__(self, stream: BinaryIO, explained: Any) -> None:
        self._stream = stream
        self._explained = explained

    def read(self, size: int | None = -1, /) -> bytes:
        with self._explained():
            return self._stream.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with self._explained():
            return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()


def _size(source: BinaryIO) -> int:
    return source.seek(0, io.SEEK_END)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
