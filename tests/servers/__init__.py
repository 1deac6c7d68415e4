"""The servers that tests run against: each module starts one kind."""
