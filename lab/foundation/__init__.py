"""Foundations used by all other parts, independent of DNS and kernels: errors, files, processes, steps, languages."""
