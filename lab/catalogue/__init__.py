"""What there is to run, as data: machines and scenarios, one TOML file each."""
