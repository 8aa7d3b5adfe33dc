"""The demand for one server, as Serve's controller can know it: from the orchestrator, else from the replicas themselves."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import astuple

from ray.serve.config import AutoscalingContext

from cluster.orchestrator.actor import Status
from cluster.orchestrator.handle import NAMESPACE, actor_named
from policies.scaling import Demand

logger = logging.getLogger("ray.serve")

ASK_S = 1.0
STALE_S = 5.0
"""What the orchestrator said so long ago is not used any more: the replicas' counts are newer."""
LOOKS_BELOW = 2
REPLICAS = 1000
"""Replicas of which is known what they have counted; the longest silent is forgotten first."""
NOTHING = Demand(0.0, 0.0, 0.0, 0.0)

Ask = Callable[[str], Mapping[str, Demand]]
"""The demand for each model, asked of the orchestrator of this name."""
Tell = Callable[[str], Demand | None]
"""What gateways have counted for the model in the application of this name; None while nobody can tell."""


class ServerDemand:
    """Totals that only grow, from whichever source is there: gateways count what they had to refuse, replicas cannot."""

    def __init__(self, tell: Tell, servers: int = 1) -> None:
        """`tell` speaks of a model, whose demand its `servers` share evenly."""
        self._tell, self._servers = tell, servers
        self._count = ReplicaCounts()
        self._told: Demand | None = None
        self._counted: Demand | None = None
        self._total = NOTHING

    def __call__(self, context: AutoscalingContext) -> Demand:
        counted, told = self._count(context), self._tell(context.app_name or "")
        if told is not None and self._told is not None:
            self._total = _plus(self._total, _grown(self._told, told), self._servers)
        elif told is None and self._counted is not None:
            self._total = _plus(self._total, _grown(self._counted, counted))
        self._told, self._counted = told, counted
        return self._total


class OrchestratorDemand:
    """Asks the orchestrator in a thread of its own: a policy must not wait in the controller's loop."""

    def __init__(self, digest: str, model: str, ask: Ask | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`digest` is that of the orchestrator's database; `ask`, told its name, may raise anything while it is away."""
        self._digest, self._model, self._clock = digest, model, clock
        self._ask = ask or _demand_of
        self._heard: tuple[float, Demand] | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, application: str) -> Demand | None:
        if self._thread is None:
            arguments = (weakref.ref(self), self._ask, actor_named(application, self._digest), self._model)
            self._thread = threading.Thread(target=_listen, args=arguments, name=f"demand-{self._model}", daemon=True)
            self._thread.start()
        heard = self._heard
        return heard[1] if heard and self._clock() - heard[0] < STALE_S else None

    def hear(self, demand: Demand) -> None:
        """Called by the thread."""
        self._heard = (self._clock(), demand)


def _listen(listener: weakref.ref[OrchestratorDemand], ask: Ask, actor: str, model: str) -> None:
    """Ask until nobody listens any more, as after a new deployment. An orchestrator that is away is asked again."""
    while listener() is not None:
        try:
            _hand(listener, ask(actor).get(model, NOTHING))
        except Exception as error:
            logger.debug("the orchestrator tells no demand for %s: %s", model, error)
        time.sleep(ASK_S)


def _hand(listener: weakref.ref[OrchestratorDemand], demand: Demand) -> None:
    told = listener()
    if told is not None:
        told.hear(demand)


def _demand_of(actor: str) -> Mapping[str, Demand]:
    import ray

    # Waiting for the future instead of ray.get, which complains about the controller's event loop though this is no part of it.
    status: Status = ray.get_actor(actor, NAMESPACE).status.remote().future().result(STALE_S)
    return status.demand


class ReplicaCounts:
    """Demand as the replicas counted it at their doors, and what waits at the handles for one of them.

    Replicas come and go, and their totals with them: what each has added since the last look is added up here. A busy one may
    be late with its report, or with a part of it, and must not be taken for a new one then.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._sums = dict.fromkeys(("arrived", "missed", "served", "service_s"), 0.0)
        self._arrived = self._highest = 0.0
        self._looks_below = 0

    def __call__(self, context: AutoscalingContext) -> Demand:
        for replica, counts in _latest(context).items():
            before = self._seen.setdefault(replica, {})
            for name in self._sums:
                self._sums[name] += max(0.0, counts.get(name, 0.0) - before.get(name, 0.0))
            before.update(counts)
            self._seen.move_to_end(replica)
        while len(self._seen) > REPLICAS:
            self._seen.popitem(last=False)
        # A request that waits at a handle has arrived though no replica has seen it: the one that will is not up yet, or busy.
        self._note_arrived(self._sums["arrived"] + (context.total_queued_requests or 0.0))
        return Demand(**{**self._sums, "arrived": self._arrived})

    def _note_arrived(self, present: float) -> None:
        """`present` falls when a request has left the queue and the replica's count is still on its way, or when it was given up.

        The former is over by the next look; nothing must be counted twice for it.
        """
        if present >= self._highest:
            self._arrived += present - self._highest
        else:
            self._looks_below += 1
            if self._looks_below < LOOKS_BELOW:
                return
        self._highest, self._looks_below = present, 0


def _latest(context: AutoscalingContext) -> dict[str, dict[str, float]]:
    """The newest totals of each replica by name."""
    totals: dict[str, dict[str, float]] = {}
    for name, series in (context.raw_metrics or {}).items():
        for replica, points in series.items():
            if points:
                totals.setdefault(str(replica), {})[name] = points[-1].value
    return totals


def _grown(before: Demand, now: Demand) -> Demand:
    """What was added; a total that fell was begun anew by another process."""
    return Demand(*(max(0.0, new - old) for old, new in zip(astuple(before), astuple(now), strict=True)))


def _plus(total: Demand, added: Demand, share: float = 1.0) -> Demand:
    return Demand(*(old + new / share for old, new in zip(astuple(total), astuple(added), strict=True)))
