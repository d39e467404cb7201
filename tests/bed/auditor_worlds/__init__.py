"""Small worlds for the auditor's tests: histories written by hand, in the words of their effects."""
