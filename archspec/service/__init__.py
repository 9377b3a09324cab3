"""A spec while it is written: what is at a place of its text, what may stand there, and what follows from it.

Neither an editor nor a page is in it; both stand on it.
"""
