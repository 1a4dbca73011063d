"""What a terminal shows: the output streams, and the reporter of progress and tables."""
