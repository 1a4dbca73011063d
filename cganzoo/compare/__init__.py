"""Comparing methods: recipes by seeds, trained under identical conditions, and what can be concluded from the scores."""
