"""One module for each provider.

A module declares the meaning of the provider's answers as data, and has one function for each kind of request.
"""
