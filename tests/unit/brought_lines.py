"""What users bring to `lab diagnose`: lines of logs, counters and traces, and the reading of a text."""

from __future__ import annotations

from pathlib import Path

from lab.diagnosis.material import Material
from lab.diagnosis.recognise import recognise

EVIDENCE = Path(__file__).parents[1] / "evidence"
STALLED = EVIDENCE / "3.10.0-123.el7" / "1"
FULL = "nf_conntrack: table full, dropping packet"
CPU = "cpu={} \tfound={} invalid=0 insert=0 insert_failed={} drop=1 early_drop=0 error=0 search_restart=0\n"
CONFIRM = "__nf_conntrack_confirm: 192.0.2.10:40001->198.51.100.53:53 TID: {}, ct: 0xffff880000000a00, ctinfo: 2\n"
RETURN = "__nf_conntrack_confirm: return {}\n"
FREED = "kfree_skb: skbaddr=0xffff88811f6a7068 rx_sk=(nil) protocol=2048 location=nf_hook_slow+0x9a"
FLOW = "192.0.2.10:40001->1.1.1.1:53(udp)"
PWRU = f"0xffff936378692ce8 6 [curl] kfree_skb_reason(SKB_DROP_REASON_NETFILTER_DROP) {FLOW}"


def read(content: str) -> Material:
    """Return the only result of parsing a text."""
    (parsed,) = recognise("text", content.encode())
    return parsed
