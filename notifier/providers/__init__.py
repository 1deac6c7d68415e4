"""One module for each provider: the meaning of its answers as data, and one function for each kind of request."""
