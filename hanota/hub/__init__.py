"""The Communications Hub: asyncio, no drivers."""
