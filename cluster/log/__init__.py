"""The decision log: what was decided for each request, what it took, and what people thought of the answer."""

from cluster.log.answers import Logged, read_log
from cluster.log.entries import Answered, Decided, Feedback
from cluster.log.profile import profile_from_log
from cluster.log.writer import DecisionLog

__all__ = ["Answered", "Decided", "DecisionLog", "Feedback", "Logged", "profile_from_log", "read_log"]
