"""Limits on the size of a county file, on the length of a line, and on the number of rejected lines that are kept.

The maximum length of each column is in ``layouts.csv``. The limits for the county's API are in
``notifier/providers/county_api.py``.
"""

from __future__ import annotations

from county.errors import FileTooLarge
from county.settings import settings

#: The maximum length of a line in bytes. A longer line is rejected, and only its beginning is kept.
LONGEST_LINE = 1 << 20
#: The number of bytes that are kept from a line longer than ``LONGEST_LINE``.
SHOWN_OF_LONG_LINE = 1000
#: The maximum number of rejected lines to keep for each file. Even a rejected line of one character takes 140 bytes in
#: the database, so without this limit a large file of short lines could fill the disk.
MOST_REJECTS = 100_000


def refuse_too_large(name: str, size: int) -> None:
    """Raise FileTooLarge if ``size``, the number of bytes of an unpacked file, exceeds ``MIAMI_DADE_MAX_FILE_MIB``."""
    limit = settings.miami_dade_max_file_mib
    if size > limit << 20:
        raise FileTooLarge(
            f"{name} has {size} bytes (unpacked), more than {limit} MiB. Ask the county whether the file is right; if "
            "it is, raise MIAMI_DADE_MAX_FILE_MIB, then clear this task; nothing was changed."
        )
