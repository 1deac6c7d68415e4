"""How fast it is: ``python -m bench [name …]`` runs the benchmarks and prints a table of each.

A benchmark is a module of this package with a function ``run(scale)``: it makes its own load, ``scale`` times the full
one, on servers of its own (``bench.servers``), and prints its table (``bench.tables``). It is found by its name.
"""

from __future__ import annotations
