"""The wording of messages: functions that turn composed rows into template fields and SMS texts."""
