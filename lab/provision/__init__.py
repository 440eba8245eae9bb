"""Makes a machine that can be logged in to one that trials can run on: looks first, changes only what differs."""
