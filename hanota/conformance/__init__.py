"""The conformance suite: what a device must do by ZCL OTA and GBCS, case by case, on metal or emulated."""
