"""Curves for the pages, as the points of SVG paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240, 48


@dataclass(frozen=True)
class Curve:
    """A curve: its name, the ``d`` of its SVG path, and its latest value."""

    name: str
    path: str
    last: float | None


@dataclass(frozen=True)
class Chart:
    """Curves with a common scale. ``top`` is the highest value."""

    curves: tuple[Curve, ...]
    top: float
    width: int = WIDTH
    height: int = HEIGHT


def chart(**series: Sequence[float | None]) -> Chart:
    """Return a chart of series with the same number of values. None is a gap: no sample was taken."""
    values = [value for one in series.values() for value in one if value is not None]
    top = max(values, default=0.0)
    curves = (
        Curve(name, _path(one, top), next((v for v in reversed(one) if v is not None), None))
        for name, one in series.items()
    )
    return Chart(tuple(curves), top)


def _path(values: Sequence[float | None], top: float) -> str:
    step = WIDTH / max(len(values) - 1, 1)
    parts, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        height = (HEIGHT - 2) * value / top if top else 0
        parts.append(f"{pen}{index * step:.1f} {HEIGHT - 1 - height:.1f}")
        if pen == "M":
            parts.append("h.01")  # so that a single point is visible
        pen = "L"
    return "".join(parts)
