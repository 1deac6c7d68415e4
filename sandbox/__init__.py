"""Stand-ins for external services: the county's FTP server and API, SendGrid, Twilio, and on-call's receiver.

``make demo``, ``make up`` and the tests use the stand-ins; production code never imports them. All their data is
generated from a seed.
"""

FTP_USER = "miamidade"
FTP_PASSWORD = "sandbox-ftp-password"
