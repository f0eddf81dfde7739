"""From a text to its vector: the bundled model or a server of the operator."""
