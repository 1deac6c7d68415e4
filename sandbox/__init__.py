"""Stand-ins for the outside world: the county's FTP server and API, SendGrid, Twilio, and on-call's receiver.

They serve ``make demo``, ``make up`` and the tests; production code never imports them. All their data is made up from
a seed.
"""

FTP_USER = "miamidade"
FTP_PASSWORD = "sandbox-ftp-password"
