"""An emulated Z-Stack 3 coordinator: TI's Monitor and Test interface over UNPI.

Sources: TI SWRA198 (MT commands), SWRU444 (UNPI), Z-Stack 3.30 on the CC2652, Z-Stack 3.0.2 on the CC2531.
"""
