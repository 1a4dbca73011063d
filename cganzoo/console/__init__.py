"""Output in a terminal: the standard streams, and the reporter of progress and scores."""
