"""From TOML to a checked, resolved recipe. Imports no torch."""
