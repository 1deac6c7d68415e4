"""Print tables to the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ``rows`` under ``header``.

    The first column is aligned left; the other columns, which hold numbers, are aligned right. Floats are printed with
    two decimals, integers with commas as thousands separators, and None as an empty cell.
    """
    lines = [list(header), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    print(f"\n{title}\n{'-' * (sum(widths) + 2 * len(widths) - 2)}")
    for line in lines:
        first, *rest = (
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *rest]), flush=True)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
