"""Kernels that people bring: read from packages or directories, kept, and made bootable on the lab's own guest image."""
