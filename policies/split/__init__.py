"""Decisions of a model that is split between edge and cloud: whom to believe, when to ask, how much to draft."""
