"""What a user may set: a TOML file and `HANOTA_*` in the environment, read into the settings dataclasses."""
