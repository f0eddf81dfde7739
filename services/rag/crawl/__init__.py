"""Reads websites: from the address of a source to its pages in Mongo; see sources/websites.py."""
