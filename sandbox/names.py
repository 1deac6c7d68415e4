"""Invent names of people and organizations in the form that the Clerk's index uses (LAST FIRST MIDDLE, in capitals)."""

from __future__ import annotations

from random import Random

# fmt: off
LAST_NAMES = (
    "ALVAREZ", "BAPTISTE", "BROWN", "CABRERA", "CASTILLO", "COHEN", "DELGADO", "DÍAZ", "FERNÁNDEZ", "GARCÍA",
    "GÓMEZ", "GONZÁLEZ", "GREENE", "GUTIÉRREZ", "HARRIS", "HERNÁNDEZ", "JEAN", "JIMÉNEZ", "JOHNSON", "KAPLAN",
    "LEE", "LÓPEZ", "MARTÍNEZ", "MENÉNDEZ", "MORALES", "MUÑOZ", "NUÑEZ", "O'NEILL", "ORTEGA", "PEÑA", "PÉREZ",
    "PIERRE", "QUIÑONES", "RAMÍREZ", "REYES", "RIVERA", "RODRÍGUEZ", "ROMERO", "SÁNCHEZ", "SMITH", "SUÁREZ",
    "TORRES", "VALDÉS", "WILLIAMS", "ZAYAS",
)
FIRST_NAMES = (
    "ADA", "ANA", "ANDRÉS", "BEATRIZ", "BRUNO", "CARLA", "CARMEN", "DANIEL", "DAVID", "ELENA", "ESTEBAN", "FELIPE",
    "GRACE", "HÉCTOR", "INÉS", "IVÁN", "JOSÉ", "JUAN", "KARL", "LAURA", "LUCÍA", "LUIS", "MARÍA", "MARTA", "NADIA",
    "NORA", "OLGA", "OMAR", "PABLO", "PETER", "RAQUEL", "RENÉE", "ROSA", "SAM", "SOFÍA", "TOMÁS", "VERA", "YOLANDA",
    "ZOË",
)
# fmt: on
MIDDLES = ("", "", "", "A", "B", "C", "DEL CARMEN", "E", "J", "M", "R")
BANKS = (
    "BISCAYNE BANK NATIONAL ASSOCIATION",
    "FIRST HARBOR BANK",
    "SAWGRASS MORTGAGE CORP",
    "PALMETTO HOME LOANS LLC",
    "EVERGLADES FEDERAL CREDIT UNION",
    "CORAL REEF SAVINGS BANK FSB",
)
ASSOCIATIONS = (
    "LAKES OF THE GLADES HOMEOWNERS ASSOCIATION INC",
    "BAYVIEW TOWERS CONDOMINIUM ASSN INC",
    "CORAL VILLAGE POA",
)
GOVERNMENTS = ("CITY OF MIAMI", "MIAMI DADE COUNTY", "STATE OF FLORIDA DEPT OF REVENUE", "UNITED STATES OF AMERICA")
COMPANY_WORDS = ("SUNSHINE", "MANGROVE", "ATLANTIC", "FLAMINGO", "PELICAN", "KEY LIME", "SEAGRAPE", "GUMBO LIMBO")
COMPANY_ENDS = ("HOLDINGS LLC", "PROPERTIES INC", "INVESTMENTS LLC", "REALTY CORP", "HOMES LP")


def person(chance: Random) -> str:
    """Return a person's name."""
    name = f"{chance.choice(LAST_NAMES)} {chance.choice(FIRST_NAMES)} {chance.choice(MIDDLES)}".rstrip()
    return name if chance.random() > 0.1 else f"{chance.choice(LAST_NAMES)} {name}"


def company(chance: Random) -> str:
    """Return a company's name."""
    return f"{chance.choice(COMPANY_WORDS)} {chance.randrange(1, 400)} {chance.choice(COMPANY_ENDS)}"


def owner(chance: Random) -> str:
    """Return the name of a property owner, which is a person, a company, a trust or a bank."""
    kind = chance.random()
    if kind < 0.8:
        return person(chance)
    if kind < 0.92:
        return company(chance)
    if kind < 0.97:
        return f"{chance.choice(LAST_NAMES)} FAMILY TRUST"
    return chance.choice(BANKS)
