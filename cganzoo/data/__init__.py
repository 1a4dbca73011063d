"""Sets of labelled images: where they come from, the packed cache, and the order they are read in."""
