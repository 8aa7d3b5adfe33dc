"""The Ray nodes of a cluster on this machine, what is deployed on them, and how to find them again."""
