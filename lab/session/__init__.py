"""The machines of one lab: which system each runs on, bringing one up, and switching it off again."""
