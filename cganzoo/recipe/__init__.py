"""From TOML to a checked, resolved recipe. No torch."""
