"""Great Britain Companion Specification: messages, their protection and the firmware use cases, sans-IO."""
