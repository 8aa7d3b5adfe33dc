"""The reference in docs/ is what the models of the configuration say."""

from pathlib import Path

from cluster.config.page import page

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m cluster.config.page > docs/configuration.md"


def test_every_section_has_a_table() -> None:
    headings = [line.removeprefix("## ") for line in page().splitlines() if line.startswith("## ")]
    assert headings == [
        "`cluster`",
        "`cluster.sites[]`",
        "`cluster.link`",
        "`gateway`",
        "`documents`",
        "`stages`",
        "`log`",
        "`learning`",
        "`models.NAME`",
        "`models.NAME.scaling`",
        "`models.NAME.price`",
        "`models.NAME.power`",
        "`models.NAME` with `engine: llama_cpp`",
        "`models.NAME` with `engine: vllm`",
        "`models.NAME` with `engine: split`",
        "`models.NAME.cloud`",
        "`models.NAME.cloud.power`",
        "`models.NAME` with `engine: remote`",
        "`models.NAME` with `engine: echo`",
    ]


def test_a_row_says_type_limits_default_and_meaning() -> None:
    assert "| `port` | integer ≥ 1, ≤ 65535 | `8000` | Port of the OpenAI-compatible endpoint. |" in page()
    assert "| `path` | path | required | The GGUF file. |" in page()
    assert '| `tier` | edge or cloud | `"edge"` | Where replicas run: on edge or on cloud nodes. |' in page()
