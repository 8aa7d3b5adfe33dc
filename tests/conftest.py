"""What all tests share."""

from hypothesis import settings

# A shared machine may stop for a second at any time: how long an example takes is for the benchmarks to say.
settings.register_profile("isthmus", deadline=None)
settings.load_profile("isthmus")
