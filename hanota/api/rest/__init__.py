"""REST: devices, images, jobs and events for people and programs without DUIS."""
