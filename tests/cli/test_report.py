"""`ppim report` in a real browser: no console errors, no network, and everything follows the filter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ppim.cli import main
from ppim.stats.counters import COLUMNS
from tests.cli.browser import DESK, PHONE, Browser, browser
from tests.unit.report.runs import ENERGY, write_host, write_run, write_sweep

HAS_ENERGY = "energy_total_pj" in COLUMNS
HOSTILE = "</script><script>document.title='taken'</script><!--<b>&"
"""Part of a run's name."""


def ppim(*arguments: object) -> int:
    try:
        main([str(each) for each in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two systems, five sizes and two seeds, and one failed run."""
    folder = tmp_path_factory.mktemp("report")
    figures = ENERGY | {"prefetch_reads": 4, "bytes_delivered": 64}
    points = [
        {
            "system": system,
            "cache_bytes": size,
            "seed": seed,
            "cycles": cycles + seed - size // 1024,
            "figures": figures,
        }
        for system, cycles in [("base", 4000), ("fast", 1000)]
        for size in (1024, 4096, 16384, 40960, 131072)
        for seed in (0, 1)
    ]
    points.append({"system": "base", "cache_bytes": 1 << 40, "seed": 0, "cycles": 1, "error": "does not fit"})
    write_sweep(folder / "caches", points, seeds=("seed",))
    assert ppim("report", folder / "caches", "-o", folder / "caches.html") == 0
    return folder / "caches.html"


@pytest.fixture(scope="module")
def runs_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of no sweep, with long names and one that tries to end the script."""
    folder = tmp_path_factory.mktemp("runs")
    paths = [
        write_host(folder, "cpu", 900),
        write_run(folder, "pim-base", 3000),
        write_run(
            folder,
            "proactivepim",
            1000,
            "frontend=global;pim.instruction_interval=1;placement.placement_seed=3",
        ),
    ]
    text = paths[1].read_text().replace("pim-base", "pim-base " + HOSTILE)
    paths[1].write_text(text)
    assert (
        ppim("report", *paths, "--baseline", "cpu", "--title", "Three <systems>", "-o", folder / "r.html")
        == 0
    )
    return folder / "r.html"


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as found:
        yield found


def bars(page: Browser, place: str) -> int:
    """Bars of a chart."""
    script = "const c = document.getElementById(arguments[0]); return c.data ? c.data[0].y.length : 0"
    return page.run(script, place)


def rows(page: Browser) -> list[list[str]]:
    """Cells of the table."""
    script = (
        "return [...document.querySelectorAll('tr.run')].map((r) => [...r.cells].map((c) => c.textContent))"
    )
    return page.run(script)


def cut_or_wide(page: Browser) -> list[str]:
    """What is wider than the window, and texts of charts that leave their chart."""
    return page.run("""
      const found = [];
      if (document.documentElement.scrollWidth > innerWidth) found.push(`page: ${document.documentElement.scrollWidth}`);
      for (const element of document.querySelectorAll("body *")) {
        if (element.closest(".scroll") || element.closest("svg")) continue;
        const box = element.getBoundingClientRect();
        if (box.width && (box.right > innerWidth + 1 || box.left < -1)) found.push(`${element.tagName}.${element.className}`);
      }
      for (const chart of document.querySelectorAll(".chart:not([hidden])")) {
        const whole = chart.getBoundingClientRect();
        for (const text of chart.querySelectorAll("svg text")) {
          const box = text.getBoundingClientRect();
          if (!box.width) continue;
          if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1)
            found.push(`${chart.id}: ${text.textContent}`);
        }
        const labels = [...chart.querySelectorAll(".ytick text")].map((each) => each.getBoundingClientRect()).sort((a, b) => a.top - b.top);
        labels.forEach((box, i) => { if (i && box.top < labels[i - 1].bottom - 2) found.push(`${chart.id}: labels ${i - 1} and ${i}`); });
      }
      return found;""")


def contrast(page: Browser, selector: str) -> float:
    """WCAG's contrast of a text with the page's paper."""
    return page.run(
        """
      const numbers = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      const light = (colour) => { const [r, g, b] = numbers(colour); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const element = document.querySelector(arguments[0]);
      let behind = element;
      while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
      const style = getComputedStyle(element);
      const [a, b] = [light(element.closest("svg") ? style.fill : style.color), light(getComputedStyle(behind).backgroundColor)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);""",
        selector,
    )


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["sweep_page", "runs_page"])
def test_nothing_is_cut_and_nothing_complains(
    page: Browser, request: pytest.FixtureRequest, which: str, size: tuple[int, int], scheme: str
) -> None:
    path = request.getfixturevalue(which)
    page.requests()
    page.open(path, size, scheme)
    assert page.complaints() == []
    assert {address.split(":")[0] for address in page.requests()} <= {"file", "data", "blob"}
    assert cut_or_wide(page) == []
    assert contrast(page, "main h2") > 7
    assert contrast(page, "#time .ytick text") > 4.5
    page.click("td .open")
    assert cut_or_wide(page) == []
    assert page.complaints() == []


def test_charts_and_table_follow_the_filter(page: Browser, sweep_page: Path) -> None:
    page.open(sweep_page)
    assert page.texts("#count") == ["20 of 20 runs"]
    assert len(rows(page)) == 20
    assert bars(page, "speed_up") == 10, "seeds are one bar"
    assert bars(page, "time") == 10
    assert page.run("return document.getElementById('sensitivity').data.length") == 2
    page.choose("select[data-axis=system]", "fast")
    assert page.texts("#count") == ["10 of 20 runs"]
    assert {cells[1] for cells in rows(page)} == {"fast"}
    assert bars(page, "speed_up") == bars(page, "time") == bars(page, "dram") == 5
    assert page.run("return document.getElementById('sensitivity').data.length") == 1
    page.choose("select[data-axis=cache_bytes]", "4096")
    assert page.texts("#count") == ["2 of 20 runs"]
    assert bars(page, "speed_up") == 1
    (mean,) = page.run("return document.getElementById('speed_up').data[0].x")
    assert mean == pytest.approx(((4000 - 4) / (1000 - 4) + (4001 - 4) / (1001 - 4)) / 2, rel=1e-6)
    page.write("#find", "nobody")
    assert page.texts("#count") == ["0 of 20 runs"]
    assert rows(page) == []
    assert bars(page, "speed_up") == 0
    page.click("#reset")
    assert page.texts("#count") == ["20 of 20 runs"]
    page.write("#find", "FAST 131072")
    assert page.texts("#count") == ["2 of 20 runs"]
    assert page.complaints() == []


@pytest.mark.skipif(not HAS_ENERGY, reason="no column of energy is counted")
def test_energy_has_a_chart_of_its_parts(page: Browser, sweep_page: Path) -> None:
    page.open(sweep_page)
    script = "return document.getElementById('energy').data.map((trace) => trace.x[0])"
    assert sum(page.run(script)) == pytest.approx(2000 / 50)  # pJ of a lookup


def test_without_energy_the_page_says_so(page: Browser, runs_page: Path) -> None:
    page.open(runs_page)
    assert page.run("return document.getElementById('card-energy').hidden")
    assert "No run has a total" in page.texts("#meanings")[0]


def test_a_heading_sorts_table_and_charts(page: Browser, sweep_page: Path) -> None:
    page.open(sweep_page)
    times = page.run("return [...document.querySelectorAll('thead th')].map((h) => h.dataset.name)").index(
        "time_ns"
    )

    def column() -> list[float]:
        return [float(cells[times].replace(",", "")) for cells in rows(page)]

    page.click("th[data-name=time_ns] button")
    assert column() == sorted(column(), reverse=True)
    assert page.run("return document.querySelector('th[data-name=time_ns]').ariaSort") == "descending"
    first = page.run("return document.getElementById('time').layout.yaxis.ticktext[0]")
    assert "base" in first
    page.click("th[data-name=time_ns] button")
    assert column() == sorted(column())
    first = page.run("return document.getElementById('time').layout.yaxis.ticktext[0]")
    assert "fast" in first
    page.click("th[data-name=time_ns] button")
    assert page.run("return document.querySelector('th[data-name=time_ns]').ariaSort") == "none"


def test_a_run_opens_its_settings_and_commands(page: Browser, sweep_page: Path) -> None:
    page.open(sweep_page)
    page.click("tr.run:nth-child(12) .open")
    assert page.texts(".inside pre") == [
        "ppim gen-trace synthetic -o traces/trace.parquet\nppim simulate traces/trace.parquet --system fast"
    ]
    inside = page.texts(".inside")[0]
    assert "system.pim.barrier" in inside
    assert "of the difference is time" in inside, "what makes the difference from the baseline"
    page.click("tr.run:nth-child(12) .open")
    assert page.texts(".inside") == []
    assert "does not fit" in page.texts("#failures")[0]


def test_another_baseline(page: Browser, runs_page: Path) -> None:
    page.open(runs_page)
    assert page.run("return document.getElementById('speed_up').data[0].x") == pytest.approx([1, 0.3, 0.9])
    page.choose("#baseline", "pim-base " + HOSTILE)
    assert page.run("return document.getElementById('speed_up').data[0].x") == pytest.approx(
        [3000 / 900, 1, 3]
    )


def test_names_are_text_and_not_markup(page: Browser, runs_page: Path) -> None:
    page.open(runs_page)
    assert page.run("return document.title") == "Three <systems>"
    assert HOSTILE in page.texts("tr.run:nth-child(2) .open")[0]
    assert page.run("return document.querySelectorAll('b').length") == 0


def test_the_system_scheme_may_change_under_the_page(page: Browser, runs_page: Path) -> None:
    page.open(runs_page, DESK, "light")
    ink = "return document.getElementById('time').layout.font.color"
    light = page.run(ink)
    page.look(PHONE, "dark")
    page.wait(f"(() => {{ {ink} }})() !== '{light}'")
    page.wait("document.documentElement.scrollWidth <= innerWidth")
    assert page.complaints() == []


# --- without a browser ---------------------------------------------------------------------------


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    path = write_run(tmp_path, "a", 100)
    for name in ("one", "two"):
        assert ppim("report", path, "--title", "t", "-o", tmp_path / f"{name}.html") == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_the_data_stand_in_the_page_as_json(runs_page: Path) -> None:
    text = runs_page.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    runs = json.loads(data)["runs"]
    assert [run["time_ns"] for run in runs] == [900, 3000, 1000]
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.csv", "-o", "r.pdf"], "write a .html report"),
        (["nowhere", "-o", "r.html"], "nowhere: cannot be read (No such file"),
        (["a.csv", "a.csv", "-o", "r.html"], "is there twice"),
        (["a.csv", "--baseline", "b", "-o", "r.html"], "no run 'b'"),
        (["a.csv", "--where", "system=b", "-o", "r.html"], "no run has system=b"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path, "a", 100)
    assert ppim("report", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.glob("r.*"))
