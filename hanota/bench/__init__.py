"""What stands on a bench beside the dongle: power and debug consoles, and the file that lists them."""
