"""Finds the passages for a question, and indexes what they are found in."""

import libs.runtime.silence  # noqa: F401 -- before any module of rag imports onnxruntime
