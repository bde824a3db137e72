"""The daemon: everything composed, started, watched, drained and stopped."""
