"""What the county publishes: a new feed is a new entry here, a layout, and an ``.sql`` of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from county import settings
from county.layouts import layout


@dataclass(frozen=True)
class Target:
    """A staging table and where each of its columns comes from: a column of the layout, or SQL over such columns.

    In SQL, ``{name}`` stands for the converted value of that column of the layout.
    """

    table: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class FeedFile:
    """One file of a feed: how it is called on the server, and where its lines go.

    ``stem`` is the name without date and extension. A file that is not ``required`` may be absent (a warning).
    """

    name: str
    stem: str
    targets: tuple[Target, ...]
    required: bool = True


@dataclass(frozen=True)
class Feed:
    """A set of files that the county publishes together, for one business date.

    ``steps`` names the ``.sql`` files of each step of the pipeline (``match``, ``merge``, ``make_leads``) in order.
    """

    name: str
    ingestion_type: str
    files: tuple[FeedFile, ...]
    steps: Mapping[str, tuple[str, ...]]
    retry_minutes: int

    @property
    def directory(self) -> str:
        """Where the feed lies on the FTP server and in the archive."""
        return f"/{self.name}"

    @property
    def queue_name(self) -> str:
        """The name under which a run that died is found among the dead letters."""
        return f"{self.ingestion_type}_ingestion".replace("_", "-")

    def file(self, name: str) -> FeedFile:
        return next(file for file in self.files if file.name == name)


_DOCUMENT_KEY = {"cfn_year": "cfn_year", "cfn_seq": "cfn_seq", "group_id": "group_id"}

CASES = FeedFile(
    "Cases.exp",
    "cases",
    (
        Target(
            "staging_official_records",
            _DOCUMENT_KEY
            | {
                "document_code": "case_type",
                "case_number": "case_number",
                "recorded_on": "file_date",
                "folio_number": "folio_number",
                "property_address": "property_address",
                "property_city": "property_city",
                "property_zip": "property_zip",
                "consideration_1": "consideration_1",
                "deed_doc_tax": "deed_doc_tax",
                "transaction_type": "transaction_type",
            },
        ),
    ),
)
PARTIES = FeedFile(
    "Parties.exp",
    "parties",
    (
        Target(
            "staging_parties",
            _DOCUMENT_KEY
            | {
                "party_sequence": "party_sequence",
                "party_code": "party_code",
                "party_name": "party_name",
                "transaction_type": "transaction_type",
            },
        ),
    ),
)
DOCKETS = FeedFile(
    "Dockets.exp",
    "dockets",
    (
        Target(
            "staging_dockets",
            {c: c for c in ("cfn_year", "cfn_seq", "docket_sequence", "docket_date", "docket_code")},
        ),
    ),
    required=False,
)
DOCKTEXT = FeedFile(
    "Docktext.exp",
    "docktext",
    (
        Target(
            "staging_docktext",
            {c: c for c in ("cfn_year", "cfn_seq", "docket_sequence", "docket_text")}
            | {"text_line_number": "line_number"},
        ),
    ),
    required=False,
)

#: The Clerk's own file holds one row a party: each line is staged as a document and as a party.
OFFICIAL_RECORDS = FeedFile(
    "official_records.exp",
    "dly_records",
    (
        Target(
            "staging_official_records",
            _DOCUMENT_KEY
            | {
                "document_code": "doc_type",
                "case_number": "split_part({case_number}, ' ', 1)",
                "recorded_on": "rec_date",
                "folio_number": "folio_number",
                "consideration_1": "consideration_1",
                "deed_doc_tax": "deed_doc_tax",
                "original_cfn_year": "nullif({orig_cfn_year}, 0)",
                "original_cfn_seq": "nullif({orig_cfn_seq}, 0)",
                "row_key": "key",
                "transaction_type": "transaction_type",
            },
        ),
        Target(
            "staging_parties",
            _DOCUMENT_KEY
            | {
                "party_sequence": "party_sequence",
                "party_code": "first_party_code",
                "party_name": "first_party",
                "row_key": "key",
                "transaction_type": "transaction_type",
            },
        ),
    ),
)

_DAILY_FILES = {
    "cases_parties": (CASES, PARTIES, DOCKETS, DOCKTEXT),
    "official_records": (OFFICIAL_RECORDS,),
}

_DOCUMENT_STEPS = {
    "match": ("waiting_addresses", "match_documents", "match_addresses", "keep_matches"),
    "merge": ("merge_parties", "merge_documents", "refresh_properties"),
    "make_leads": ("classify_documents", "make_leads", "close_leads"),
}


def _court_file(name: str) -> FeedFile:
    """A file of the courts: its lines are staged as they are, in the columns of its layout."""
    stem = name.removesuffix(".exp").lower()
    return FeedFile(name, stem, (Target(f"staging_{stem}", {c.name: c.name for c in layout(name)}),))


_COURT_STEPS = {
    "match": ("waiting_addresses", "match_court_records", "match_addresses", "keep_matches"),
    "merge": ("merge_court_records",),
    "make_leads": ("make_court_leads", "close_court_leads"),
}

#: feed → its files and the minutes between two tries of a task
_COURT_FEEDS = {
    "weekly": (("Evictions.exp", "Indebtedness.exp"), 10),
    "monthly": (("Probate.exp", "Verdicts.exp"), 15),
}


#: The county's parcels; a CSV that ``county.parcel_roll`` turns into lines of these columns.
PARCEL_ROLL = Feed(
    "roll",
    "property_roll",
    (
        FeedFile(
            "parcel_roll.csv",
            "parcel_roll",
            (
                Target(
                    "staging_parcel_roll",
                    {
                        "folio": "FOLIO",
                        "address": "TRUE_SITE_ADDR",
                        "unit": "TRUE_SITE_UNIT",
                        "city": "TRUE_SITE_CITY",
                        "zip": "TRUE_SITE_ZIP_CODE",
                        "owner_name": "TRUE_OWNER1",
                        "assessed_value": "ASSESSED_VAL_CUR",
                        "year_built": "YEAR_BUILT",
                        "bedrooms": "BEDROOM_COUNT",
                        "bathrooms": "BATHROOM_COUNT",
                        "building_sqft": "BUILDING_HEATED_AREA",
                        "lot_size": "LOT_SIZE",
                        "land_use": "DOR_DESC",
                        "is_condominium": "CONDO_FLAG",
                        "parent_folio": "PARENT_FOLIO",
                    },
                ),
            ),
        ),
    ),
    {"merge": ("merge_roll",)},
    retry_minutes=15,
)


def feed(name: str) -> Feed:
    """``daily`` (in the format that ``MIAMI_DADE_DAILY_FORMAT`` names), ``weekly``, ``monthly`` or ``property_roll``.

    Raises KeyError for an unknown feed and ValueError for an unknown format.
    """
    if name in (PARCEL_ROLL.name, PARCEL_ROLL.ingestion_type):
        return PARCEL_ROLL
    if name in _COURT_FEEDS:
        files, retry_minutes = _COURT_FEEDS[name]
        return Feed(name, f"{name}_ftp", tuple(map(_court_file, files)), _COURT_STEPS, retry_minutes)
    if name != "daily":
        raise KeyError(f"there is no feed {name!r}")
    chosen = settings.daily_format()
    if chosen not in _DAILY_FILES:
        allowed = " or ".join(_DAILY_FILES)
        raise ValueError(f"MIAMI_DADE_DAILY_FORMAT is {chosen!r}: set it to {allowed}")
    return Feed("daily", "daily_ftp", _DAILY_FILES[chosen], _DOCUMENT_STEPS, retry_minutes=5)
