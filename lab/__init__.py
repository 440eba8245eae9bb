"""The five-second lab: why a DNS lookup behind NFQUEUE takes five seconds, shown on real kernels with real packets."""

__version__ = "0.1.0"
