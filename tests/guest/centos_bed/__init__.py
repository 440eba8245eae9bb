"""A guest that resembles CentOS, for tests only: real RPM tools and a vault, with CentOS 7.0's programs.

Its kernel is Debian's 6.1, whatever its boot loader and `uname -r` say; no measurement in it is CentOS's.
"""
