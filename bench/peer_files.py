"""Write county files with the same kind of rows as the Node.js design's benchmark (``gen_files.js``), in our layout."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random

#: Warranty deeds, quit claims, mortgages, satisfactions and lis pendens, as often as in the other benchmark.
CODES = ("DEE", "DEE", "DEE", "DEE", "QCD", "QCD", "MOR", "MOR", "SMO", "LIS")
LAST = [
    "SMITH",
    "GARCIA",
    "RODRIGUEZ",
    "JOHNSON",
    "PEREZ",
    "WILLIAMS",
    "GONZALEZ",
    "BROWN",
    "FERNANDEZ",
    "LOPEZ",
    "MARTINEZ",
    "DIAZ",
]
FIRST = ["JOHN", "MARIA", "JOSE", "ANA", "CARLOS", "LUIS", "MICHAEL", "DAVID", "CARMEN", "JORGE", "LISA", "ROBERT"]
STREETS = ("NW 7TH ST", "SW 8TH ST", "BISCAYNE BLVD", "CORAL WAY", "NE 2ND AVE", "OCEAN DR", "SUNSET DR", "BIRD RD")


def write_peer_day(folder: Path, day: date, cases: int) -> dict[str, Path]:
    """Write ``Cases.exp`` and ``Parties.exp`` with ``cases`` cases and twice as many parties; return their paths.

    One case in ten names the folio of an earlier one, and the cases are of the last 60 days.
    """
    chance = Random(f"{day} {cases}")
    random = chance.random
    days = [f"{day - timedelta(days=back):%m%d%Y}" for back in range(60)]
    paths = {name: folder / f"{day}_{name}" for name in ("Cases.exp", "Parties.exp")}
    with paths["Cases.exp"].open("w") as case_file, paths["Parties.exp"].open("w") as party_file:
        for number in range(1, cases + 1):
            folio = 1 + int(random() * (number - 1)) if number > 1 and random() < 0.1 else number
            key = f"{day.year}^{number}^1"
            code, recorded = CODES[int(random() * 10)], days[int(random() * 60)]
            address = f"{100 + int(random() * 19_900)} {STREETS[int(random() * 8)]}"
            price = 50_000 + int(random() * 1_950) * 1_000
            case_file.write(f"{key}^{code}^^{recorded}^{folio:013d}^{address}^MIAMI^33130^{price}^^I\n")
            for place, party_code in ((1, "D"), (2, "R")):
                name = f"{LAST[int(random() * 12)]} {FIRST[int(random() * 12)]} {'ABCDEFGHIJ'[int(random() * 10)]}"
                party_file.write(f"{key}^{place}^{party_code}^{name}^I\n")
    return paths
