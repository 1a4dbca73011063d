"""Images from a generator: sampling, grids, and trained generators."""
