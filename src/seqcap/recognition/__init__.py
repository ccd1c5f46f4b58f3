"""A trained system at work: checkpoint and recognizer."""
