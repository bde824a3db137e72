"""ZCL OTA Upgrade cluster (0x0019): images, commands, Upgrade Server and Upgrade Client, sans-IO.

Sources: ZCL specification, chapter 11 (over-the-air upgrading); GBCS 11.2 (Upgrade Images, upgrade times).
"""
