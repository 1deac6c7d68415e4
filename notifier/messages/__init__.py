"""What is said: each function makes a template's fields or a text's words from one composed row."""
