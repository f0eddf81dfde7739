"""What the services say to each other: messages, subjects and calls.

Imports msgspec and the standard library only. The rules of evolution: a new field gets a default,
a field never changes its type, a changed meaning gets a new tag (`….v2`) beside the old one.
"""
