"""What is archived and deleted, and when."""
