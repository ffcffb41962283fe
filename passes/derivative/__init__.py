"""The two transformations, forward and reverse, and what they share."""
