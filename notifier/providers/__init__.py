"""One module a provider: what its answers mean as data on top, one method for each thing sent."""
