"""The orchestrator: the one actor that writes learned state, and how gateways reach it."""
