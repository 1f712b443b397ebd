import base64
import hashlib
import pickle
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles import readings as r
from loadprofiles import report
from loadprofiles.report import fault_plots, kind_of, report_table, thin, write_report
from loadprofiles.vee import CleanMeter, Finding

ROME = "Europe/Rome"
START = pd.Timestamp("2019-05-01", tz="UTC")
STEP = pd.Timedelta(minutes=15)
FIELDS = list(Finding.__dataclass_fields__)


def finding(meter_id="a", kind="scale_change", at=0, steps=0, **other):
    """A finding `at` steps after START."""
    values = {"readings": max(steps, 1), "factor": np.nan, "evidence": "seen", "confidence": 1.0} | other
    begin = START + at * STEP
    return Finding(meter_id=meter_id, kind=kind, from_utc=begin, to_utc=begin + steps * STEP, **values)


def table_of(*findings):
    return pd.DataFrame(findings, columns=FIELDS)


def meter_row(meter_id="a", **other):
    counts = {"step_minutes": 15, "rows_read": 200, "rows_dropped": 0, "readings": 200, "readings_measured": 200}
    return {"meter_id": meter_id, **counts, "days": 4, "days_profile": 4, "energy_kwh": 1.0} | other


def clean_meter(*findings, meter_id="a", steps=960, energy=None, quality=None):
    """A meter on a 15-minute grid from START on, 10 days long."""
    values = np.sin(np.arange(steps) / 15) + 1.1 if energy is None else energy
    codes = np.zeros(steps, dtype=np.int8) if quality is None else quality
    table = pd.DataFrame(
        {
            "meter_id": meter_id,
            "timestamp_utc": pd.date_range(START, periods=steps, freq="15min", unit="us"),
            "energy_kwh": np.where(codes >= r.QUALITY.index(r.REJECTED_OUTLIER), np.nan, values),
            "quality": pd.Categorical.from_codes(codes, dtype=r.QUALITY_DTYPE),
            "energy_kwh_raw": values,
        }
    )
    return CleanMeter(meter_id, 15, table, list(findings), steps, Counter())


def write(folder, meters, findings, plots=(), **other):
    options = {"source": "oldmongo", "notes": ["1 meter"], "timezone": ROME} | other
    return write_report(pd.DataFrame(meters), findings, list(plots), folder, **options)


def page_of(folder, *args, **other):
    html, _ = write(folder, *args, **other)
    return html.read_text(encoding="utf-8")


def test_the_table_has_shares_days_findings_and_gaps_of_each_meter():
    meters = pd.DataFrame(
        [
            meter_row("b", readings_measured=150, readings_missing=49, readings_edited_scale=1, days_profile=1)
            | {"days_incomplete": 2, "days_dst_day": 1, "rows_dropped": 3},
            meter_row("a"),
        ]
    ).fillna(0)
    findings = table_of(
        finding("b", "gap_left", steps=8),
        finding("b", "gap_left", at=90, steps=41, confidence=0.9),
        finding("b", "gap_filled", at=50, steps=3),
        finding("b", "scale_change", at=10, confidence=0.7),
    )
    table = report_table(meters, findings).set_index("meter_id")
    assert table.index.tolist() == ["a", "b"]
    assert table.loc["b", ["share_measured_percent", "share_missing_percent"]].tolist() == [75.0, 24.5]
    assert table.loc["b", "share_edited_scale_percent"] == 0.5
    assert table.loc["b", ["days", "days_profile", "lost_incomplete", "lost_dst_day"]].tolist() == [4, 1, 2, 1]
    assert table.loc["b", ["findings", "findings_gap_left", "findings_scale_change"]].tolist() == [4, 2, 1]
    assert table.loc["b", ["gap_readings_left", "gap_readings_filled"]].tolist() == [49, 3]
    assert table.loc["b", ["longest_gap_hours", "lowest_confidence"]].tolist() == [10.25, 0.7]
    assert table.loc["a", ["findings", "gap_readings_left", "longest_gap_hours"]].tolist() == [0, 0, 0.0]
    assert np.isnan(table.loc["a", "lowest_confidence"])
    assert {f"share_{name}_percent" for name in r.QUALITY} <= set(table.columns)


def test_shares_are_of_readings_and_have_no_floating_noise():
    table = report_table(pd.DataFrame([meter_row(readings=3, readings_measured=1, readings_missing=2)]), table_of())
    assert table[["share_measured_percent", "share_missing_percent"]].iloc[0].tolist() == [33.3333, 66.6667]


def test_a_meter_of_which_only_a_finding_is_known_is_in_table_and_page(tmp_path):
    lost = Finding("c", "unreadable_file", pd.NaT, pd.NaT, 0, np.nan, "c.csv: no such column")
    table = report_table(pd.DataFrame([meter_row()]), table_of(lost)).set_index("meter_id")
    assert table.loc["c", ["readings", "findings", "days"]].tolist() == [0, 1, 0]
    assert pd.isna(table.loc["c", "share_measured_percent"])
    page = page_of(tmp_path, [meter_row()], table_of(lost))
    assert "unreadable file" in page
    assert "c.csv: no such column" in page


def test_findings_from_their_csv_file_give_the_same_report_as_those_of_the_run(tmp_path):
    findings = table_of(finding(at=7, factor=1000.0), finding(kind="gap_left", at=20, steps=40))
    findings.to_csv(tmp_path / "findings.csv", index=False)
    again = pd.read_csv(tmp_path / "findings.csv", dtype={"meter_id": "str"})
    assert page_of(tmp_path / "a", [meter_row()], findings) == page_of(tmp_path / "b", [meter_row()], again)


def test_the_csv_holds_the_table(tmp_path):
    findings = table_of(finding())
    _, path = write(tmp_path, [meter_row("007")], findings)
    again = pd.read_csv(path, dtype={"meter_id": "str"})
    expected = report_table(pd.DataFrame([meter_row("007")]), findings)
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)


HOSTILE = ("<script>alert(1)</script>", "../../x", '"><img src=x onerror=alert(1)>', "a&amp;b", "{{ 7*7 }}")


def test_what_comes_from_files_is_text_and_never_markup(tmp_path):
    meters = [meter_row(name) for name in (*HOSTILE, "<b>quiet</b>")]
    findings = table_of(*(finding(name, kind="<i>odd</i>", evidence="</td><script>2</script>") for name in HOSTILE))
    plots = [p for name in HOSTILE for p in fault_plots(clean_meter(finding(name, at=300), meter_id=name))]
    page = page_of(tmp_path, meters, findings, plots, source="<u>s</u>", notes=["<script>3</script>"])
    assert len(plots) == len(HOSTILE)
    assert page.count("<script") == 1
    for markup in ("<img", "<i>odd", "<b>quiet", "<u>s"):
        assert markup not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a&amp;amp;b" in page
    assert "{{ 7*7 }}" in page
    assert sorted(p.name for p in tmp_path.iterdir()) == ["vee_report.csv", "vee_report.html"]


def test_the_page_asks_for_nothing_from_elsewhere_and_allows_its_own_script_only(tmp_path):
    page = page_of(tmp_path, [meter_row()], table_of(finding(at=300)), fault_plots(clean_meter(finding(at=300))))
    assert "<svg" in page
    links = re.findall(r"(?:src|href|xmlns|action|data)\s*=\s*[\"']?([^\"'\s>]*)", page)
    assert links == ["#m1"]
    assert page.startswith("<!doctype html>")
    assert not re.search(r"@import|url\(|https?:|//[a-z]", page)
    script = re.search(r"<script>(.*?)</script>", page, flags=re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page


def test_the_same_input_gives_the_same_bytes_in_any_order(tmp_path):
    found = [finding(name, at=at) for name in "abc" for at in (300, 700)]
    plots = [p for name in "abc" for p in fault_plots(clean_meter(*(f for f in found if f.meter_id == name)))]
    rows = [meter_row(name) for name in "abc"]
    one = page_of(tmp_path / "1", rows, table_of(*found), plots)
    two = page_of(
        tmp_path / "2", rows[::-1], table_of(*found[::-1]), [pickle.loads(pickle.dumps(p)) for p in plots[::-1]]
    )
    assert one == two


def test_kinds_that_nobody_knows_are_told_by_name_and_drops_of_the_reader_as_drops(tmp_path):
    assert kind_of("moon_phase").words == "moon phase"
    assert kind_of("ragged", {"ragged"}).done == "dropped"
    findings = table_of(finding(kind="moon_phase", at=300), finding(kind="ragged", at=400))
    page = page_of(
        tmp_path, [meter_row(dropped_ragged=1)], findings, fault_plots(clean_meter(finding(kind="moon_phase", at=300)))
    )
    assert page.count("moon phase") > 2
    assert re.search(r"ragged</th><td><span class=\"tag\">dropped<", page)


def test_without_findings_the_page_says_so_and_names_the_meters(tmp_path):
    page = page_of(tmp_path, [meter_row("m7"), meter_row("m8")], table_of())
    assert "Nothing was found" in page
    assert "<b>2</b> meters without any finding" in page
    assert "<li>m7</li>" in page
    assert '<table id="meters">' not in page


def test_without_any_meter_there_is_still_a_page(tmp_path):
    empty = pd.DataFrame([meter_row()]).iloc[:0]
    assert "There are no readings." in page_of(tmp_path, empty, table_of())


def test_gravest_meters_come_first_and_unsure_findings_are_to_be_checked(tmp_path):
    findings = table_of(
        finding("mild", "duplicate"),
        finding("grave", "scale_change", confidence=0.55, factor=1 / 60000),
        finding("middling", "outlier_high"),
    )
    page = page_of(tmp_path, [meter_row(name) for name in ("mild", "middling", "grave")], findings)
    rows = re.search(r'id="meters".*?</table>', page, flags=re.DOTALL).group(0)
    assert re.findall(r'title="(\w+)"', rows) == ["grave", "middling", "mild"]
    assert "1 finding has a confidence below 0.8" in page
    assert "÷60,000" in page


def test_every_quality_has_its_share_in_words(tmp_path):
    counts = {f"readings_{name}": 100 for name in r.QUALITY}
    page = page_of(tmp_path, [meter_row(readings=100 * len(r.QUALITY)) | counts], table_of(finding()))
    legend = re.findall(r'<i class="key (\w+)"></i></td><th scope="row">([\w: ]+)</th><td>100</td>', page)
    assert len({words for _, words in legend}) == len(r.QUALITY)
    assert all(words.startswith(group) for group, words in legend)


def test_times_are_local_with_utc_beside(tmp_path):
    page = page_of(tmp_path, [meter_row()], table_of(finding(at=0)))
    assert '<time datetime="2019-05-01T00:00Z" title="2019-05-01T00:00Z">2019-05-01 02:00</time>' in page


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0"), (0.01, "< 0.1"), (0.06, "0.1"), (99.9, "99.9"), (99.99, "> 99.9"), (100, "100"), (np.nan, "–")],
)
def test_what_is_not_nothing_is_not_shown_as_nothing_nor_what_is_not_all_as_all(share, shown):
    assert report._percent(share) == shown


@pytest.mark.parametrize(
    ("factor", "shown"),
    [(1000.0, "×1,000"), (0.001, "÷1,000"), (2.5, "×2.5"), (0.3, "×0.3"), (-1.0, "×-1"), (np.nan, "")],
)
def test_factors_are_written_the_rounder_way(factor, shown):
    assert report._factor(factor) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (-12345, "−12,345"), (0.25, "0.25"), (1e6, "10⁶"), (-2e5, "−2·10⁵"), (1e-5, "10⁻⁵")]
)
def test_labels_of_ticks_are_short(value, shown):
    assert report._short(value) == shown


SERIES = st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(float("nan"))), max_size=400).map(np.array)


@given(SERIES, st.integers(3, 60))
def test_thinning_keeps_extremes_and_holes_and_order_within_the_number_asked_for(values, most):
    kept = thin(values, most)
    assert len(kept) <= most
    assert (np.diff(kept) > 0).all()
    left = values[kept]
    assert np.isnan(left).any() == np.isnan(values).any()
    if (~np.isnan(values)).any():
        assert np.nanmin(left) == np.nanmin(values)
        assert np.nanmax(left) == np.nanmax(values)


@given(st.integers(0, 4999), st.floats(10, 1e6))
def test_no_spike_is_thinned_away(place, size):
    values = np.sin(np.arange(5000.0))
    values[place] = size
    assert place in thin(values, 240)


def test_a_plot_shows_the_days_around_its_fault_small_enough_to_hand_over():
    found = finding(at=480, factor=1000.0, confidence=0.9)
    (plot,) = fault_plots(clean_meter(found))
    assert (plot.meter_id, plot.kind, plot.factor, plot.confidence) == ("a", "scale_change", 1000.0, 0.9)
    assert plot.start_utc == found.from_utc - pd.Timedelta(hours=30)
    assert plot.minutes == 60 * 60
    assert len(plot.raw.energy) == len(plot.clean.energy) == 240
    np.testing.assert_allclose(plot.clean.energy[0], np.sin(360 / 15) + 1.1, rtol=1e-6)
    assert len(pickle.dumps(plot)) < 8_000


def test_a_long_stretch_is_thinned_and_its_lone_spike_stays():
    energy = np.ones(9600)
    energy[2000] = 77.0
    (plot,) = fault_plots(clean_meter(finding(kind="flat_line", at=200, steps=9000), steps=9600, energy=energy))
    assert plot.minutes <= (28 + 2 * 7) * 24 * 60
    assert len(plot.raw.energy) <= report.PLOT_POINTS
    assert plot.raw.energy.max() == 77.0


def test_the_gravest_findings_are_drawn_and_none_twice():
    found = [finding(kind="spike", at=at) for at in (100, 105, 500)]
    found += [
        finding(kind="scale_change", at=502),
        finding(kind="gap_left", at=800, steps=9),
        finding(kind="zeros", at=900),
    ]
    plots = fault_plots(clean_meter(*found))
    assert [(p.kind, p.from_utc) for p in plots] == [
        ("scale_change", START + 502 * STEP),
        ("spike", START + 100 * STEP),
        ("zeros", START + 900 * STEP),
    ]
    assert [p.kind for p in fault_plots(clean_meter(*found), most=1)] == ["scale_change"]


def test_findings_without_readings_around_them_are_not_drawn():
    nowhere = Finding("a", "spike", pd.NaT, pd.NaT, 0, np.nan, "")
    assert fault_plots(clean_meter(nowhere, finding(kind="spike", at=99_999))) == []
    whole = clean_meter(finding(at=100))
    assert fault_plots(CleanMeter("a", None, whole.readings.iloc[:0], whole.findings, 0, Counter())) == []


def test_stretches_not_as_measured_are_marked_even_where_thinner_than_a_pixel():
    quality = np.zeros(9600, dtype=np.int8)
    quality[1000] = r.QUALITY.index(r.REJECTED_OUTLIER)
    quality[1100:1200] = r.QUALITY.index(r.MISSING)
    (plot,) = fault_plots(clean_meter(finding(kind="flat_line", at=200, steps=9000), steps=9600, quality=quality))
    first = (plot.start_utc - START) / pd.Timedelta(minutes=1)
    rejected, missing = ([m for m in plot.marks if report._GROUPS[m[2]] == g] for g in ("rejected", "missing"))
    assert len(rejected) == len(missing) == 1
    assert rejected[0][0] <= 1000 * 15 - first < rejected[0][1]
    assert missing[0][0] <= 1100 * 15 - first < 1200 * 15 - first <= missing[0][1]
    assert missing[0][1] - missing[0][0] < 120 * 15


def points(path):
    """The places an SVG path of `M` and relative `l` goes through."""
    places = []
    for x, y, steps in re.findall(r"M(\d+) (\d+)(?:l([-+\d ]+))?", path):
        places.append((int(x), int(y)))
        for dx, dy in re.findall(r"(-?\d+)([+-]\d+)", steps):
            places.append((places[-1][0] + int(dx), places[-1][1] + int(dy)))
    return places


def test_a_line_runs_through_its_readings_and_breaks_at_holes():
    values = np.array([0.0, 10.0, np.nan, 5.0, np.nan, 10.0, 0.0])
    trace = report.Trace(np.arange(7, dtype=np.int32) * 60, values.astype(np.float32), np.zeros(7, dtype=np.int8))
    plot = report.FaultPlot("a", "spike", START, START, 1, np.nan, 1.0, 60, START, 420, trace, trace, ())
    panel = report._panel(plot, "clean", trace)
    ((group, path),) = panel.lines
    top, foot = panel.top, panel.foot
    assert group == "measured"
    assert [y for _, y in points(path)] == [foot, top, top, foot, (top + foot) // 2]
    assert path.count("M") == 3
    assert path.endswith("h0"), "a reading alone is a dot"


def test_what_spans_more_than_a_hundredfold_is_drawn_logarithmically():
    low = np.r_[np.full(50, 0.5), np.full(50, 0.6)]
    far = np.r_[low, low * 1000]
    assert report._axis_of(low, low).threshold is None
    axis = report._axis_of(far, low)
    assert axis.threshold == 0.1
    rise = axis.rise(np.array([0.5, 5.0, 50.0, 500.0]))
    assert np.diff(rise).max() < 1.2 * np.diff(rise).min()
    assert report._axis_of(far).threshold is None
    assert report._axis_of(far, far).threshold is None, "so are the clean ones: nothing was wrong with the scale"


@pytest.mark.parametrize("values", [[], [np.nan], [0.0, 0.0], [5.0], [-3.0, -1.0], [-1e5, 1e-3, 1.0], [1e-9, 1e9]])
def test_any_values_have_an_axis_whose_ticks_lie_on_it(values):
    axis = report._axis_of(np.array(values, dtype=float), np.ones(2))
    ticks = axis.ticks()
    assert ticks
    rises = axis.rise(np.array(ticks))
    assert ((rises >= 0) & (rises <= 1)).all()


@pytest.mark.parametrize("zone", [ROME, "America/Sao_Paulo", "Africa/Cairo", "Asia/Kolkata"])
def test_dates_stand_at_local_midnight_also_where_clocks_change_at_it(zone):
    start = pd.Timestamp("2018-11-02 10:00", tz="UTC")
    trace = report.Trace(np.zeros(1, np.int32), np.zeros(1, np.float32), np.zeros(1, np.int8))
    plot = report.FaultPlot("a", "spike", start, start, 1, np.nan, 1.0, 60, start, 4 * 1440, trace, trace, ())
    year, dates = report._dates(plot, zone)
    assert year == "2018"
    assert [label for _, label in dates] == ["11-03", "11-04", "11-05", "11-06"]
    midnight = (pd.Timestamp("2018-11-03", tz=zone) - start) / pd.Timedelta(minutes=1)
    assert dates[0][0] == round(96 + midnight / (4 * 1440) * (632 - 96))


def many(count, faults):
    """Meters with faults at each, noisy so that no path is short, and their plots."""
    random = np.random.default_rng(0)
    findings, plots, rows = [], [], []
    for i in range(count):
        name = f"METER{i:05d}"
        mine = [
            finding(name, "scale_change", at=200 + 240 * k, factor=1000.0, evidence="e" * 150) for k in range(faults)
        ]
        mine += [finding(name, "gap_left", at=5 * k, steps=3) for k in range(40)]
        findings += mine
        rows.append(meter_row(name, readings=960, readings_measured=900, readings_missing=60))
        plots.append((mine, name, random.lognormal(sigma=3, size=1700)))
    return rows, table_of(*findings), plots


def test_three_hundred_faulty_meters_stay_below_five_megabytes_and_what_is_left_out_is_told(tmp_path):
    rows, findings, meters = many(300, 6)
    cleaned = [clean_meter(*found, meter_id=name, steps=1700, energy=energy) for found, name, energy in meters]
    plots = [plot for meter in cleaned for plot in fault_plots(meter, most=2)]
    page = page_of(tmp_path, rows, findings, plots)
    assert len(plots) == 600
    assert page.count("<svg") == report.PLOTS_DRAWN
    assert "400 plots are drawn, of the gravest findings." in page
    assert "All findings are in findings.csv" in page
    assert "36 more, less grave, in findings.csv" in page
    assert len(page.encode()) < 5_000_000
    largest = max(len(figure) for figure in re.findall(r"<figure>.*?</figure>", page, flags=re.DOTALL))
    assert largest < 4_500


def test_five_thousand_meters_fit_a_page(tmp_path):
    rows = [meter_row(f"METER{i:05d}") for i in range(5000)]
    findings = table_of(*(finding(f"METER{i:05d}", "gap_left", steps=9) for i in range(0, 5000, 2)))
    page = page_of(tmp_path, rows, findings)
    assert len(page.encode()) < 5_000_000
    assert page.count('<details class="meter">') == report.SECTIONS_SHOWN + 1
    assert "1,500 more meters with findings have no section here" in page
    assert len(pd.read_csv(tmp_path / "vee_report.csv")) == 5000


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return np.dot(linear, (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_and_lines_stand_out_in_light_and_dark_as_wcag_aa_asks(tmp_path, scheme):
    page = page_of(tmp_path, [meter_row()], table_of())
    colors = dict(re.findall(r"--(\w+):(#\w{6})", re.findall(r":root\{(.*?)\}", page, flags=re.DOTALL)[scheme]))
    for name in ("text", "muted", "link", "warn", "measured", "edited", "estimated", "rejected", "missing", "raw"):
        for ground in ("page", "card"):
            dark, light = sorted(luminance(colors[c]) for c in (name, ground))
            least = 4.5 if name in ("text", "muted", "link", "warn") else 3.0
            assert (light + 0.05) / (dark + 0.05) >= least, (name, ground)


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_render", lambda _: "\ud800")
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path, [meter_row()], table_of())
    assert list(tmp_path.iterdir()) == []
