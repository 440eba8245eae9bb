"""What `lab check` does on a machine that is not the lab's: looks first, then makes trials and leaves nothing."""
