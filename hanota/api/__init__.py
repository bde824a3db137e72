"""HTTP: the DUIS gateway, REST beside it, the event stream."""
