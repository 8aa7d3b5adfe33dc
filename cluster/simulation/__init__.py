"""A simulated cluster for the policies that also run live: `isthmus simulate`."""
