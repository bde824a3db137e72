"""Z-Stack coordinators through zigpy-znp, and what zigpy-znp leaves undone."""
