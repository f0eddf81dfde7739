"""Reads websites: from the address of a source to its pages in Mongo. job.py is where it begins."""
