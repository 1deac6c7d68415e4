"""Stand-ins for external services: the county's FTP server and API, SendGrid, Twilio, and on-call's alert receiver.

``make demo``, ``make up`` and the tests use the stand-ins; production code never imports them. The stand-ins generate
all their data from a seed.
"""

FTP_USER = "miamidade"
FTP_PASSWORD = "sandbox-ftp-password"
