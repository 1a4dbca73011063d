"""Comparing methods: recipes by seeds, trained under identical conditions, and what the scores allow to conclude."""
