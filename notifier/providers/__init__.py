"""One module for each provider.

Each module declares the meaning of its provider's answers as data, and has one function for each kind of request.
"""
