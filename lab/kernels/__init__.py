"""Kernels that people bring: taken out of packages or directories, kept, and booted on the lab's own guest image."""
