"""Plays the world outside: the county's FTP server and API, SendGrid, Twilio, and the on-call receiver.

For ``make demo``, ``make up`` and the tests; production code never imports it. Everything is made up from a seed.
"""

FTP_USER = "miamidade"
FTP_PASSWORD = "sandbox-ftp-password"
