"""What can go wrong between the two parts of a split model.

SplitError
├── FrameError       bytes that are no frame: truncated, flipped, of another version
├── StateError       a state that cannot be sent or was not fit to be received
├── LinkError        the cloud cannot be reached, or gave no answer
│   └── AnswerLate   not in time
└── CloudRefused     the cloud answered that it will not: another model, no memory, unfit states

None of them ends an answer: the edge goes on alone and says so.
"""

from policies.errors import IsthmusError


class SplitError(IsthmusError):
    """Base of what the edge of a split model recovers from."""


class FrameError(SplitError):
    """What arrived is not a whole, unharmed frame."""


class StateError(SplitError):
    """States that are not numbers, or too large for the type in which they travel."""


class LinkError(SplitError):
    """The cloud part cannot be reached, or what it says is no answer."""


class AnswerLate(LinkError):
    """No answer came in the time that there was."""


class CloudRefused(SplitError):
    """The cloud part will not go on with this session."""
