"""The run folder and what is kept in it."""
