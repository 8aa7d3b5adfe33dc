"""The Emulator (ECO-LLM, arXiv 2507.09003): measures paths on the running cluster within a budget, and writes a profile."""

from cluster.emulator.journal import Journal, Record
from cluster.emulator.progress import Progress
from cluster.emulator.questions import Question, read_questions
from cluster.emulator.run import Emulator
from cluster.emulator.system import System

__all__ = ["Emulator", "Journal", "Progress", "Question", "Record", "System", "read_questions"]
