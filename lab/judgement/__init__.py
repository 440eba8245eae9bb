"""Judges a trial from its raw files: lifelines, arming, verdict, era."""
