"""The Dramatiq actors: the actors that the app calls, and the ``drain`` actors that send due deliveries."""
