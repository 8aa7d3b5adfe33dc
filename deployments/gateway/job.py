"""One question on its way through the gateway, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.config import ModelConfig
from deployments.gateway.case import shown
from deployments.gateway.chooser import Choice
from deployments.gateway.deadline import Deadline
from deployments.messages import FinishReason, Passage, Sampling, StageReport
from deployments.prompts import Message
from deployments.shared import Shared
from policies.types import Decision, Path, Prediction, Slo


@dataclass(frozen=True, slots=True)
class Job:
    """A validated request. Either `messages` or a raw `prompt`."""

    decision_id: str
    decision: Decision
    slo: Slo
    deadline: Deadline
    sampling: Sampling
    """`max_tokens` 0 stands for the default of the model that will answer."""
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    choice: Choice | None = None
    """How `decision` came about; None when the request left nothing to choose."""
    shared: Shared | None = None
    """The stages that have run for it, when it is done in more than one step."""
    logprobs: bool = False
    """Whether the model shall tell how sure it is."""
    before: Answer | None = None
    """What the first part of an adaptive path has answered."""

    def ran(self, path: Path) -> Path:
        """What an answer by `path` is the answer of: an adaptive path if another part came before."""
        return path if self.before is None else replace(self.before.path, then=path)

    def account(self, reports: Sequence[StageReport]) -> tuple[StageReport, ...]:
        """`reports` after those of the part before; a stage that both have in common ran once."""
        earlier = () if self.before is None else self.before.reports
        known = {id(report) for report in earlier}
        return (*earlier, *(report for report in reports if id(report) not in known))

    def predicted(self, path: Path) -> Prediction | None:
        """What was expected of `path`, which may be a fallback."""
        if path == self.decision.path:
            return self.decision.predicted
        return self.choice.case.predicted(path) if self.choice and self.choice.case else None

    def candidates(self) -> list[dict[str, Any]]:
        """Every path that was weighed, and what came of it."""
        return self.choice.candidates() if self.choice else []

    def sampling_for(self, model: ModelConfig) -> Sampling:
        """With the model's default where the caller named no number of tokens."""
        return self.sampling if self.sampling.max_tokens else replace(self.sampling, max_tokens=model.max_tokens)


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished job. Times in seconds from the arrival of the request."""

    text: str
    finish_reason: FinishReason
    path: Path
    site: str
    reason: str
    reports: tuple[StageReport, ...]
    """One for each stage that ran; the last is the model's."""
    passages: tuple[Passage, ...]
    link: str | None
    """The emulated link that the answer crossed."""
    latency_s: float
    ttft_s: float | None
    """None when the answer came in one piece."""
    tries: int = 1
    """Servers that were asked, this one included."""

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of the answering model, as the OpenAI API counts them."""
        last = self.reports[-1]
        return {
            "prompt_tokens": last.prompt_tokens,
            "completion_tokens": last.completion_tokens,
            "total_tokens": last.prompt_tokens + last.completion_tokens,
        }

    def record(self, job: Job) -> dict[str, Any]:
        """The answer's `isthmus` field."""
        return {
            "decision_id": job.decision_id,
            "path": self.path.name,
            "site": self.site,
            "predicted": shown(job.predicted(self.path)),
            "measured": {
                "latency_s": round(self.latency_s, 6),
                "ttft_s": None if self.ttft_s is None else round(self.ttft_s, 6),
                "cost_usd": self.cost_usd,
                "energy_j": self.energy_j,
                "energy_source": "measured" if all(r.energy_source == "measured" for r in self.reports) else "modelled",
                "stages": [_stage(report) for report in self.reports],
            },
            "feasible": job.decision.feasible,
            "slo_met": self.keeps(job.slo),
            "sources": [
                {"title": p.title, "source": p.source, "passage_id": p.passage_id, "score": p.score} for p in self.passages
            ],
            "reason": self.reason,
            "link": self.link,
        }

    @property
    def cost_usd(self) -> float:
        """Of all stages."""
        return sum(report.cost_usd for report in self.reports)

    @property
    def energy_j(self) -> float:
        """Of all stages."""
        return sum(report.energy_j for report in self.reports)

    def keeps(self, slo: Slo) -> bool:
        """Whether every limit that can be measured was kept; accuracy cannot."""
        limits = (
            (slo.max_latency_s, self.latency_s),
            (slo.max_ttft_s, self.latency_s if self.ttft_s is None else self.ttft_s),
            (slo.max_cost_usd, self.cost_usd),
            (slo.max_energy_j, self.energy_j),
        )
        return all(limit is None or value <= limit for limit, value in limits)


def _stage(report: StageReport) -> dict[str, Any]:
    return {
        "stage": report.stage,
        "option": report.option,
        "site": report.site,
        "seconds": round(report.seconds, 6),
        "wait_s": round(report.wait_s, 6),
        "prompt_tokens": report.prompt_tokens,
        "completion_tokens": report.completion_tokens,
        "cost_usd": report.cost_usd,
        "energy_j": report.energy_j,
        "energy_source": report.energy_source,
        "up_bytes": report.up_bytes,
        "down_bytes": report.down_bytes,
    }
