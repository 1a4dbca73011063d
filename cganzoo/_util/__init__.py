"""Small helpers that every room may use: files, TOML, lazy imports."""
