"""The wording of messages: functions that make template fields and SMS texts from composed rows."""
