"""Benchmarks. ``python -m bench [name …]`` runs them and prints a table for each.

A benchmark is a module of this package with a function ``run(scale)``. The function generates ``scale`` times the full
load on servers that it starts itself (``bench.servers``), and prints a table (``bench.tables``). The benchmark's name
is the module's name.
"""

from __future__ import annotations
