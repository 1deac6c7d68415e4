"""The Dramatiq actors: the actors that the app sends, and the ``drain`` actors that send due deliveries."""
