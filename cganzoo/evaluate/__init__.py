"""Scoring: the feature extractor, and the one pass over samples that feeds every metric.

Import from the submodules; this one imports no torch, so that a recipe's ``[evaluation]`` is checked without it.
"""
