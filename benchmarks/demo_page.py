"""The section of a page about the demo."""

from __future__ import annotations

from benchmarks.demo_policies import AUTO, CHEAP, CLOUD_ONLY, EDGE_ONLY, FIXED, QUICK, SHARE
from benchmarks.demo_result import Result, Row
from benchmarks.page import table

USD_PER_KWH = 0.3
_COLUMNS = ("policy", "accuracy", "±", "mean s", "p95 s", "USD per 1,000", "J", "by the cloud", "path taken most")


def section(result: Result, picture: str) -> str:
    """Markdown; `picture` is a link to the picture."""
    explored, kept = result.explored, result.kept
    shown = "\n".join(table(_COLUMNS, map(_cells, result.rows)))
    return f"""## The demo home, live

`make bench-demo`: llama.cpp at the edge, vLLM in the cloud, both on two cores; the link of 40 ms between them is emulated.
Explored were {result.learnt} questions on {result.paths} paths, {explored.cells} cells
({explored.cells / explored.of_cells:.1%}) in {explored.elapsed_s / 60:.1f} minutes. The table is about {result.questions}
other questions, asked one at a time by an `openai` client; right is what is the reference word for word. cloud-only and edge-only
take the path of that tier with the highest mean in the profile; model-only has the cloud-only path's stages and learns from all
learnt questions on its two paths; random takes any path. `auto, quick` and `auto, cheap` ask `auto` with a limit: {SHARE} of the
mean latency, or of the mean cost, that cloud-only has in the profile. The last two rows were looked up among {result.shortlist}
paths that the Emulator measured on all of these questions: the cloud path that was right most often, and for each question the
quickest right answer.

{shown}

{_adaptive(result)}

{_against(result, AUTO)}
{_against(result, QUICK)}
{_against(result, CHEAP)}

Of limits on latency from a quarter to one and a half of cloud-only's mean,
{kept.possible_kept} of the {kept.possible} were kept that some measured path keeps, and {kept.promised_kept} of the
{kept.promised} that the gateway expected to keep; {kept.requests} requests.

The edge model has no price. Its joules, at {USD_PER_KWH} USD per kWh, would cost {_electricity(result):.1%} of what cloud-only's
answers cost.

![Accuracy and latency of each policy]({picture})"""


def _against(result: Result, policy: str) -> str:
    ours, cloud = result.row(policy), result.row(CLOUD_ONLY)
    seconds, usd, joules = (getattr(ours, name) / getattr(cloud, name) for name in ("seconds", "cost_usd", "energy_j"))
    return (
        f"- `{policy}` takes {seconds:.2f} of cloud-only's latency, {usd:.2f} of its cost and {joules:.2f} of its energy; "
        f"its accuracy is {ours.accuracy - cloud.accuracy:+.3f}."
    )


def _adaptive(result: Result) -> str:
    """Whether adaptive paths paid."""
    whole, fixed = result.row(AUTO), result.row(FIXED)
    return (
        f"Adaptive paths change the accuracy of `auto` by {whole.accuracy - fixed.accuracy:+.3f}, its latency by "
        f"{whole.seconds - fixed.seconds:+.3f} s and its cost by\n{1000 * (whole.cost_usd - fixed.cost_usd):+.4f} USD per 1,000; "
        f"it went on from a first answer in {whole.went_on:.0%} of all questions."
    )


def _electricity(result: Result) -> float:
    return result.row(EDGE_ONLY).energy_j / 3.6e6 * USD_PER_KWH / result.row(CLOUD_ONLY).cost_usd


def _cells(row: Row) -> tuple[str, ...]:
    shares = (f"{row.accuracy:.3f}", f"{row.error:.3f}", f"{row.seconds:.3f}", f"{row.p95_s:.3f}")
    spent = (f"{1000 * row.cost_usd:.4f}", f"{row.energy_j:.1f}", f"{row.cloud:.0%}")
    return (row.policy, *shares, *spent, f"`{row.path}` ({row.of_all:.0%})")
