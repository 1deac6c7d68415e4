"""The Dramatiq actors: those that the app sends, and the ``drain`` actors by which workers send what is due."""
