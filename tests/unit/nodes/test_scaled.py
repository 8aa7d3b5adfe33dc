"""Changes of replicas are found among whatever else Serve's controller logs."""

from cluster.nodes.scaled import Scaled, last_changes

LOG = """\
INFO 2026-03-01 10:00:00,120 controller 77 -- Registering autoscaling state for deployment Deployment(name='large@cloud')
INFO 2026-03-01 10:00:01,500 controller 77 -- isthmus scales large@cloud up from 0 to 2: forecast 3.00 arrivals/s in 20 s
INFO 2026-03-01 10:00:02,000 controller 77 -- isthmus scales other@cloud up from 1 to 2: forecast 1.00 arrivals/s in 20 s
WARNING 2026-03-01 10:00:03,000 controller 77 -- isthmus scales
INFO 2026-03-01 10:05:00,007 controller 77 -- isthmus scales large@cloud down from 2 to 0: no more were wanted for 40 s
a line that was cut: isthmus scales large@cloud up
"""


def test_the_last_change_of_each_deployment() -> None:
    assert last_changes(LOG.splitlines()) == {
        "large@cloud": Scaled("2026-03-01 10:05:00", "down from 2 to 0: no more were wanted for 40 s"),
        "other@cloud": Scaled("2026-03-01 10:00:02", "up from 1 to 2: forecast 1.00 arrivals/s in 20 s"),
    }


def test_a_log_without_any() -> None:
    assert last_changes([]) == {}
