"""The lab's verbs: each takes plain values, does its work and returns a result. Nothing here prints."""
