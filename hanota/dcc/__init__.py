"""The bench's stand-in for the DCC: access control broker, Service Requests, DCC alerts."""
