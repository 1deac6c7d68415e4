"""The greatest sizes of what the county sends. ``layouts.csv`` has the greatest length of each column.

The county's API has limits of its own (``notifier/providers/county_api.py``).
"""

from __future__ import annotations

from county.errors import FileTooLarge
from county.settings import settings

#: Bytes. A longer line is rejected; only its beginning is kept.
LONGEST_LINE = 1 << 20
#: Bytes of a rejected line that is longer than ``LONGEST_LINE``.
SHOWN_OF_LONG_LINE = 1000


def refuse_too_large(name: str, size: int) -> None:
    """Raise FileTooLarge when a file of ``size`` bytes, unpacked, is larger than ``MIAMI_DADE_MAX_FILE_MIB``."""
    limit = settings.miami_dade_max_file_mib
    if size > limit << 20:
        raise FileTooLarge(
            f"{name} has {size} bytes (unpacked), more than {limit} MiB. Ask the county whether the file is right; if "
            "it is, raise MIAMI_DADE_MAX_FILE_MIB, then clear this task; nothing was changed."
        )
