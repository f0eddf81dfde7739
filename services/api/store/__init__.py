"""The edge's collections in Mongo: accounts, keys, agents, conversations."""
