"""The catalogue of machines and scenarios, one TOML file each."""
