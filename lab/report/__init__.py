"""Turns results into what people and programs read: text and JSON, from the same data."""
