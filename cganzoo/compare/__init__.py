"""The side-by-side: recipes by seeds, run under identical conditions, with what can be concluded from them."""
