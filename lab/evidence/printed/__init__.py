"""Parsers of captures printed as text by tcpdump, tshark and Wireshark.

Text has less information than a capture: not whether it is complete, not the capture filter, not a message's bytes.
"""
