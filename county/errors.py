"""What can go wrong, by what the caller may do about it."""

from __future__ import annotations

import errno

#: A disk or a quota is full; the same step may succeed once there is space again.
STORAGE_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class IngestionError(Exception):
    """Something stopped the run; trying the same step again later may help."""


class PermanentIngestionError(IngestionError):
    """Trying again cannot help: a human has to change something first."""


class MissingFile(PermanentIngestionError):
    """The file is neither archived for the business date nor on the server for it."""


class EmptyFile(PermanentIngestionError):
    """The file holds no record."""


class StaleFile(PermanentIngestionError):
    """The file is the one of another business date."""


class DamagedFile(PermanentIngestionError):
    """A zip that cannot be read to its end."""


class TooManyRejects(PermanentIngestionError):
    """More lines of a file are malformed than a good file ever has."""


class LoginRefused(PermanentIngestionError):
    """The FTP server does not accept the user or the password."""


class ArchiveConflict(PermanentIngestionError):
    """Another content is already archived under the name."""


class NotArchived(PermanentIngestionError):
    """An object that a run wants to read is not in the archive."""


class IncompleteFile(IngestionError):
    """What arrived is not what the server has; the next try may receive all of it."""


class FileStillChanging(IngestionError):
    """The county is still writing the file."""


class ServerUnreachable(IngestionError):
    """The FTP server does not answer."""


class ArchiveUnavailable(IngestionError):
    """The archive does not answer, or has no room."""


class StorageFull(IngestionError):
    """The temporary folder of this machine is full or cannot be written."""


class DatabaseTrouble(IngestionError):
    """The leads database went away, or broke a step off; nothing of the step was kept."""


class StagingChanged(PermanentIngestionError):
    """A staging table no longer holds the rows that were logged for it."""


class SkipRun(Exception):
    """The business date is a holiday and there is no file: the run is skipped, not failed."""


def archive_conflict(name: str) -> ArchiveConflict:
    """Return the error for content that differs from the archived object."""
    return ArchiveConflict(
        f"{name} is already archived with another content. If the county corrected the file, run the date again with "
        "the parameter refetch; the correction is archived beside it."
    )


def not_archived(name: str, where: str) -> NotArchived:
    """Return the error for an object that is not in the archive."""
    return NotArchived(
        f"{name} is not in the archive {where} (any more). Restore it, or clear the task fetch of this run: it looks "
        "for the file on the FTP server."
    )
