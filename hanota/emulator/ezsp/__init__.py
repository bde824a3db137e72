"""An emulated EmberZNet network co-processor: EZSP over ASH v2.

Sources: Silicon Labs UG100 (EZSP), UG101 (UART gateway protocol), EmberZNet 7.4 and 8.x.
"""
