"""`lab watch`: follows the DNS lookups of a running machine and tells which of them stall, where, and why.

A program on the machine prints packets and counters as lines; everything here is computed from these lines. A stall is
judged by the rules of `lab diagnose`, from files like those that `lab watch --save` writes.
"""
