"""The errors that the batch side raises. An error's type tells the caller whether a retry can help."""

from __future__ import annotations

import errno

#: Error numbers for a full disk or an exhausted quota; the failed step can succeed after space has been freed.
STORAGE_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class IngestionError(Exception):
    """A step failed, and a retry may succeed."""


class PermanentIngestionError(IngestionError):
    """A step failed, and a retry cannot succeed until a person has changed something."""


class MissingFile(PermanentIngestionError):
    """The file for the business date is neither in the archive nor on the server."""


class EmptyFile(PermanentIngestionError):
    """The file contains no records."""


class StaleFile(PermanentIngestionError):
    """The file on the server is identical to the file for the previous business date."""


class DamagedFile(PermanentIngestionError):
    """A zip file is damaged and cannot be read completely."""


class FileTooLarge(PermanentIngestionError):
    """The unpacked file is larger than ``MIAMI_DADE_MAX_FILE_MIB``."""


class TooManyRejects(PermanentIngestionError):
    """More lines of a file are malformed than ``MAX_REJECTED_PERCENT`` allows."""


class LoginRefused(PermanentIngestionError):
    """The FTP server does not accept the user or the password."""


class ArchiveConflict(PermanentIngestionError):
    """Different content is already archived under the file's name."""


class NotArchived(PermanentIngestionError):
    """An object that a run wants to read is not in the archive."""


class IncompleteFile(IngestionError):
    """A download received only part of the file; a retry may receive all of it."""


class FileStillChanging(IngestionError):
    """The county is still writing the file."""


class ServerUnreachable(IngestionError):
    """The FTP server does not answer."""


class ArchiveUnavailable(IngestionError):
    """The archive does not answer, or its storage is full."""


class StorageFull(IngestionError):
    """The temporary folder on this machine is full or not writable."""


class DatabaseTrouble(IngestionError):
    """The leads database does not answer, or it interrupted a step and rolled its transaction back."""


class StagingChanged(PermanentIngestionError):
    """A staging table holds fewer rows than the task ``stage`` logged."""


class SkipRun(Exception):
    """There is nothing to do for the business date, for example on a holiday without files; the run is skipped."""


def archive_conflict(name: str) -> ArchiveConflict:
    """Return the error for content that differs from the archived object."""
    return ArchiveConflict(
        f"{name} is already archived with different content. If the county corrected the file, run the date again "
        "with the parameter refetch; the correction is archived next to it."
    )


def not_archived(name: str, where: str) -> NotArchived:
    """Return the error for an object that is not in the archive."""
    return NotArchived(
        f"{name} is not in the archive {where}. Restore it, or clear the task fetch of this run: fetch "
        "looks for the file on the FTP server."
    )
