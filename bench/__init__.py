"""Benchmarks. ``python -m bench [name …]`` runs the named benchmarks and prints a table for each.

A benchmark is a module of this package with a function ``run(scale)``. The function starts its own servers
(``bench.servers``), generates ``scale`` times the full load, and prints a table (``bench.tables``). The module's name
is the benchmark's name.
"""

from __future__ import annotations
