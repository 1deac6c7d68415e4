"""``python -m bench [name …]`` runs the named benchmarks, or all of them, one after another."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules

import bench


def benchmarks() -> Mapping[str, Callable[[float], None]]:
    """Return each benchmark's ``run`` function by module name."""
    modules = {m.name: import_module(f"bench.{m.name}") for m in iter_modules(bench.__path__) if m.name != "__main__"}
    return {name: module.run for name, module in modules.items() if hasattr(module, "run")}


def main() -> int:
    """Run the command line; return its exit code."""
    known = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one or more of {', '.join(known)} (default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full load (default: 1)")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names or known:
        started = time.perf_counter()
        known[name](options.scale)
        print(f"\n{name}: {time.perf_counter() - started:.0f} s in all", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
