"""Kernels given by the user: extracted from packages or directories, stored, and booted on the lab's guest image."""
