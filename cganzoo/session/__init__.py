"""A run from recipe to scores."""
