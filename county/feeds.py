"""The county's feeds. A new feed needs one declaration here, rows in ``layouts.csv``, and its ``.sql`` files."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from county.feed import Feed, FeedFile, Period, Target
from county.layouts import layout
from county.settings import settings

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

#: The Clerk's own file has one line for each party; each line is staged both as a document and as a party.
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
    other_stems=("",),  # inside a zip, the file's name may consist of only a date
)

_DAILY_FILES = {
    "cases_parties": (CASES, PARTIES, DOCKETS, DOCKTEXT),
    "official_records": (OFFICIAL_RECORDS,),
}

_DOCUMENT_STEPS = {
    "match": ("waiting_addresses", "match_documents", "match_addresses", "keep_matches"),
    "merge": ("merge_parties", "merge_documents"),
    "derive": ("refresh_properties",),
    "make_leads": ("classify_documents", "make_leads", "close_leads", "update_lead_status"),
}


def _court_file(name: str) -> FeedFile:
    """Return the declaration of a court file; its staging table has the same columns as its layout."""
    stem = name.removesuffix(".exp").lower()
    return FeedFile(name, stem, (Target(f"staging_{stem}", {c.name: c.name for c in layout(name)}),))


_COURT_STEPS = {
    "match": ("waiting_addresses", "match_court_records", "match_addresses", "keep_matches"),
    "merge": ("merge_court_records",),
    "make_leads": ("make_court_leads", "close_court_leads", "update_lead_status"),
}

DAILY = Feed(
    name="daily",
    dag_id="daily_ftp_ingestion",
    ingestion_type="daily_ftp",
    description="Recorded documents become properties, leads and alerts",
    period=Period.BUSINESS_DAY,
    schedule="0 6 * * 1-5",
    files=_DAILY_FILES["cases_parties"],
    steps=_DOCUMENT_STEPS,
    merges=("recorded_documents", "document_parties", "properties"),
    retry_minutes=5,
    late_after=timedelta(minutes=90),
    stale_days=2,
    may_be_empty=False,
)
WEEKLY = Feed(
    name="weekly",
    dag_id="weekly_ftp_ingestion",
    ingestion_type="weekly_ftp",
    description="Evictions and debt suits become leads and alerts",
    period=Period.WEEK,
    schedule="0 7 * * 1",
    files=(_court_file("Evictions.exp"), _court_file("Indebtedness.exp")),
    steps=_COURT_STEPS,
    merges=("court_records",),
    retry_minutes=10,
    late_after=timedelta(hours=2),
    stale_days=9,
)
MONTHLY = Feed(
    name="monthly",
    dag_id="monthly_ftp_ingestion",
    ingestion_type="monthly_ftp",
    description="Probate cases and verdicts of the month before become leads and alerts",
    period=Period.MONTH,
    schedule="0 8 1 * *",
    files=(_court_file("Probate.exp"), _court_file("Verdicts.exp")),
    steps=_COURT_STEPS,
    merges=("court_records",),
    retry_minutes=15,
    late_after=timedelta(hours=2),
    stale_days=35,
)

#: The county's parcels. ``county.parcel_roll`` turns the roll's CSV into lines with these columns.
PARCEL_ROLL = Feed(
    name="roll",
    dag_id="property_roll",
    ingestion_type="property_roll",
    description="The county's parcel roll updates addresses, assessments and buildings",
    period=Period.MONTH,
    schedule="0 4 15 * *",
    files=(
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
    steps={"merge": ("merge_roll",)},
    merges=("properties",),
    retry_minutes=15,
)

#: Runs that match waiting records again. They have a row in the run log, but no files and no schedule.
ADDRESS_REVIEW = Feed(
    name="review",
    dag_id="address_review",
    ingestion_type="address_review",
    description="Records whose addresses operators have reviewed become leads and alerts",
    period=Period.BUSINESS_DAY,
    schedule=None,
    files=(),
    steps={},
    merges=("recorded_documents", "properties", "court_records"),
    retry_minutes=1,
)

FEEDS = (DAILY, WEEKLY, MONTHLY, PARCEL_ROLL, ADDRESS_REVIEW)


def feed_of_dag(dag_id: str) -> Feed | None:
    """Return the feed that a DAG ingests, or None if the DAG ingests no feed."""
    return next((feed for feed in FEEDS if feed.dag_id == dag_id), None)


def feed(name: str) -> Feed:
    """Return the feed ``name``; ``MIAMI_DADE_DAILY_FORMAT`` decides which files the daily feed has.

    Raises KeyError for an unknown name and InvalidSetting for an unknown format.
    """
    declared = {feed.name: feed for feed in FEEDS}[name]
    if declared is not DAILY:
        return declared
    return replace(DAILY, files=_DAILY_FILES[settings.miami_dade_daily_format])
