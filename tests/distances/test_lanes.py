"""The compiled kernels: right, equal to the bit, at home on the machine's widest registers, and cached."""

import functools
import json
import platform
import re
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.distances import lanes
from loadprofiles.distances.lanes import narrow_kernel, wide_kernel
from tests.distances.reference import adversarial_profiles, dtw_reference, random_profiles, run_python

POINTS = [*range(1, 10), 23, 24, 25, 96]
LANES = lanes._lanes(5, 4)


def narrow(radius):
    """The kernel that `fill` takes for the radius, or would take if it were not too large."""
    return narrow_kernel(radius, lanes._lanes(radius, 4))


def matrix_by(kernel, queries, columns, radius):
    """(m, n) by one kernel, all columns in one block."""
    numbers = np.arange(len(queries))
    out = np.full(len(queries) * len(columns), np.nan, columns.dtype)
    kernel(queries, columns, 0, len(columns), np.zeros_like(numbers), numbers * len(columns), radius, out)
    return out.reshape(len(queries), len(columns))


def mixed_profiles(n_points):
    return np.vstack([adversarial_profiles(n_points), random_profiles(4, n_points).astype(np.float32)])


def reference_matrix(profiles, radius):
    return np.array([[dtw_reference(a, b, radius) for b in profiles] for a in profiles])


class TestKernels:
    @pytest.mark.parametrize("radius", range(7))
    def test_are_right_and_agree_to_the_bit_at_every_radius(self, radius):
        for n_points in POINTS:
            values = mixed_profiles(n_points)
            by_narrow = matrix_by(narrow(radius), values, values, radius)
            by_wide = matrix_by(wide_kernel(LANES), values, values, radius)
            assert by_narrow.tobytes() == by_wide.tobytes(), n_points
            assert by_wide.tobytes() == by_wide.T.tobytes(), n_points
            assert (by_wide.diagonal() == 0).all(), n_points
            some = slice(None) if n_points < 20 else slice(None, None, 3)
            expected = reference_matrix(values[some], radius)
            np.testing.assert_allclose(by_wide[some, some], expected, rtol=1e-5, atol=1e-12, err_msg=str(n_points))

    @pytest.mark.parametrize("n_points", [*POINTS[:9], 24, 25, 97])
    def test_wide_is_right_without_a_band(self, n_points):
        values = mixed_profiles(n_points)[::2]
        found = matrix_by(wide_kernel(LANES), values, values, n_points - 1)
        assert found.tobytes() == found.T.tobytes()
        np.testing.assert_allclose(found, reference_matrix(values, None), rtol=1e-5, atol=1e-12)

    @pytest.mark.parametrize("n_points", range(1, 8))
    def test_narrow_and_wide_agree_to_the_bit_without_a_band(self, n_points):
        values = mixed_profiles(n_points)
        by_narrow = matrix_by(narrow(n_points - 1), values, values, n_points - 1)
        assert by_narrow.tobytes() == matrix_by(wide_kernel(LANES), values, values, n_points - 1).tobytes()

    @pytest.mark.parametrize("n_columns", [1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES, 2 * LANES + 1, 5 * LANES + 3])
    def test_agree_to_the_bit_at_every_number_of_columns(self, n_columns):
        columns = random_profiles(n_columns, 25, seed=1).astype(np.float32)
        queries = random_profiles(3, 25, seed=2).astype(np.float32)
        by_wide = matrix_by(wide_kernel(LANES), queries, columns, 1)
        assert matrix_by(narrow(1), queries, columns, 1).tobytes() == by_wide.tobytes()
        # The pairs beside it in the lanes do not change a pair.
        alone = [matrix_by(narrow(1), queries, columns[[q]], 1) for q in range(n_columns)]
        assert np.hstack(alone).tobytes() == by_wide.tobytes()

    @pytest.mark.parametrize(
        ("radius", "kernel"), [(1, narrow_kernel(1, lanes._lanes(1, 8))), (1, wide_kernel(lanes._lanes(5, 8)))]
    )
    def test_keep_double_precision(self, radius, kernel):
        for n_points in (1, 8, 25):
            values = random_profiles(70, n_points)
            found = matrix_by(kernel, values, values, radius)
            assert found.dtype == np.float64
            assert found.tobytes() == found.T.tobytes()
            expected = reference_matrix(values[60:], radius)
            np.testing.assert_allclose(found[60:, 60:], expected, rtol=1e-12)

    def test_differences_too_small_to_be_squared_count_as_none(self):
        values = np.array([[0, 0, 0], [1e-30, 0, 1e-30]], np.float32)
        for kernel in (narrow(1), wide_kernel(LANES)):
            assert (matrix_by(kernel, values, values, 1) == 0).all()


@functools.cache
def seventy_profiles(radius):
    """Profiles, and their distances (70, 70)."""
    values = random_profiles(70, 6).astype(np.float32)
    return values, matrix_by(wide_kernel(LANES), values, values, radius)


class TestFill:
    @given(st.data(), st.sampled_from([1, 5]))
    def test_writes_the_block_from_each_rows_start_and_nothing_else(self, data, radius):
        values, distances = seventy_profiles(radius)
        first = data.draw(st.integers(0, 69), "first")
        last = data.draw(st.integers(first + 1, 70), "last")
        rows = data.draw(st.lists(st.integers(0, 69), min_size=1, max_size=5), "rows")
        starts = sorted(data.draw(st.lists(st.integers(0, 72), min_size=len(rows), max_size=len(rows)), "starts"))
        # Rows with gaps between them, in the order drawn; a row's place may begin before the array.
        margin = data.draw(st.integers(-min(starts[0], first), 5), "margin")
        offsets = [80 * row + margin for row in range(len(rows))]
        expected = np.full(80 * len(rows) + 5, np.nan, np.float32)
        for row, start, offset in zip(rows, starts, offsets, strict=True):
            wanted = slice(max(first, start), last)
            expected[offset + wanted.start : offset + max(wanted.start, last)] = distances[row, wanted]
        out = np.full_like(expected, np.nan)
        lanes.fill(values[rows], values, (first, last), np.array(starts), np.array(offsets), radius, out)
        assert out.tobytes() == expected.tobytes()

    @pytest.mark.parametrize("radius", [*range(6), 23])
    def test_takes_the_kernel_that_fits_the_radius(self, monkeypatch, radius):
        taken = []
        for name in ("narrow_kernel", "wide_kernel"):
            make = getattr(lanes, name)
            monkeypatch.setattr(lanes, name, lambda *key, name=name, make=make: taken.append((name, key)) or make(*key))
        values = random_profiles(2).astype(np.float32)
        number = np.zeros(1, int)
        lanes.fill(values[:1], values, (0, 2), number, number, radius, np.zeros(2, np.float32))
        count = lanes._lanes(radius, 4)
        assert taken == [("narrow_kernel", (radius, count)) if radius <= 4 else ("wide_kernel", (count,))]


# What a machine makes of the kernels: the registers, the compiled code, how it was had, and distances.
REPORT = """
import json
import sys

import numpy as np
from loadprofiles.distances import lanes

profiles = np.load(sys.argv[1])
numbers = np.arange(len(profiles))
kernels = {"1": lanes.narrow_kernel(1, lanes._lanes(1, 4)), "5": lanes.wide_kernel(lanes._lanes(5, 4))}
distances = {}
for radius in kernels:
    out = np.empty(len(profiles) ** 2, np.float32)
    lanes.fill(profiles, profiles, (0, len(profiles)), 0 * numbers, numbers * len(profiles), int(radius), out)
    distances[radius] = out.tolist()
hits = {radius: sum(kernel.stats.cache_hits.values()) for radius, kernel in kernels.items()}
misses = {radius: sum(kernel.stats.cache_misses.values()) for radius, kernel in kernels.items()}
shared = (lanes._interleave, lanes._put, lanes._fill_table, lanes._fill_two_rows)
print(json.dumps({
    "registers": lanes.registers(), "lanes": lanes._lanes(1, 4), "distances": distances, "hits": hits, "misses": misses,
    "shared": sum(len(helper.signatures) for helper in shared),
    "code": {} if sum(hits.values()) else {r: k.inspect_asm(k.signatures[0]) for r, k in kernels.items()},
}))
"""

ON_X86 = platform.machine().lower() in {"x86_64", "amd64"}
FEATURES = llvmlite.binding.get_host_cpu_features() if ON_X86 else {}
HAS_AVX2 = bool(FEATURES.get("avx2") and FEATURES.get("fma"))
HAS_AVX512 = bool(FEATURES.get("avx512f"))
HASWELL = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt,"
    "+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+xsave",
}
OLDEST = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+64bit,+cmov,+cx16,+fxsr,+mmx,+sse,+sse2"}

needs_avx2 = pytest.mark.skipif(not HAS_AVX2, reason="no AVX2 and FMA on this machine")
needs_avx512 = pytest.mark.skipif(not HAS_AVX512, reason="no AVX-512 on this machine")
needs_x86 = pytest.mark.skipif(not ON_X86, reason="not an x86 machine")


@pytest.fixture(scope="module")
def profiles():
    return random_profiles(70).astype(np.float32)


@pytest.fixture(scope="module")
def reports(tmp_path_factory, profiles):
    """What processes say: of this machine, a second one, and of older machines, all with one cache folder."""
    folder = tmp_path_factory.mktemp("machines")
    np.save(folder / "profiles.npy", profiles)

    def report(environment):
        printed = run_python(REPORT, folder / "profiles.npy", NUMBA_CACHE_DIR=str(folder / "cache"), **environment)
        return json.loads(printed)

    machines = {"first": {}, "second": {}} | ({"haswell": HASWELL} if HAS_AVX2 else {})
    machines |= {"oldest": OLDEST} if ON_X86 else {}
    found = {"first": report(machines.pop("first"))}
    with ThreadPoolExecutor(2) as pool:
        return found | dict(zip(machines, pool.map(report, machines.values()), strict=True))


def innermost_loop(code):
    """The loop over a series' points: the only one with a multiply-add that is not a tail of another loop."""
    loops = re.findall(r"^(\.L\w+):((?:(?!^\.L\w+:).)*?\tj\w+\t\1\n)", code, re.M | re.S)
    bodies = [body for _, body in loops if "vfmadd" in body]
    assert len(bodies) == 1
    return bodies[0]


def operations(loop, name):
    """(how many, in which registers) of the vector operations whose names begin so."""
    lines = re.findall(rf"^\t{name}\w*ps\t.*$", loop, re.M)
    return len(lines), {register for line in lines for register in re.findall(r"%([xyz]mm)\d", line)}


def assert_loop_is_all_vectors(report, radius, register, width):
    """Per cell and register a subtraction, a multiply-add and two minima, one fewer in the band's outer cells."""
    loop = innermost_loop(report["code"][str(radius)])
    per_row = 4 * report["lanes"] // width * (2 * radius + 1)
    count, used = operations(loop, "vfmadd")
    assert count % per_row == 0
    rows = count // per_row
    assert rows >= 1
    assert used == {register}
    assert operations(loop, "vsub") == (count, {register})
    assert operations(loop, "vmin") == (rows * per_row // (2 * radius + 1) * 4 * radius, {register})
    assert operations(loop, "vadd")[0] == operations(loop, "vmul")[0] == 0
    # The band's row stays in registers: nothing goes to memory.
    assert not re.search(r"^\tv?mov\w*\t%[xyz]mm\d+, .*\(", loop, re.M)


class TestMachineCode:
    @pytest.mark.skipif(numba.config.CPU_FEATURES is not None, reason="NUMBA_CPU_FEATURES is set")
    def test_registers_are_those_of_this_machine(self):
        assert lanes.registers() == ((64, 32) if HAS_AVX512 else (32, 16) if FEATURES.get("avx") else (16, 16))

    @needs_avx512
    def test_narrow_uses_512_bit_registers_and_multiply_add_where_there_are_some(self, reports):
        assert reports["first"]["registers"] == [64, 32]
        assert_loop_is_all_vectors(reports["first"], 1, "zmm", 64)

    @needs_avx2
    def test_narrow_uses_256_bit_registers_and_multiply_add_on_older_machines(self, reports):
        assert reports["haswell"]["registers"] == [32, 16]
        assert_loop_is_all_vectors(reports["haswell"], 1, "ymm", 32)
        assert "zmm" not in "".join(reports["haswell"]["code"].values())

    @needs_avx2
    @pytest.mark.skipif(HAS_AVX512, reason="this machine has AVX-512")
    def test_narrow_uses_256_bit_registers_here(self, reports):
        assert_loop_is_all_vectors(reports["first"], 1, "ymm", 32)

    @needs_x86
    def test_the_oldest_machines_have_128_bits(self, reports):
        assert reports["oldest"]["registers"] == [16, 16]
        assert not re.search(r"%[yz]mm", "".join(reports["oldest"]["code"].values()))

    @pytest.mark.parametrize(
        "machine",
        ["first", pytest.param("haswell", marks=needs_avx2), pytest.param("oldest", marks=needs_x86)],
    )
    @pytest.mark.parametrize("radius", [1, 5])
    def test_distances_are_the_same_on_all_machines(self, reports, profiles, machine, radius):
        kernel = narrow(radius) if radius < 5 else wide_kernel(LANES)
        expected = matrix_by(kernel, profiles, profiles, radius).ravel()
        np.testing.assert_allclose(reports[machine]["distances"][str(radius)], expected, rtol=1e-6)


class TestCache:
    def test_a_second_process_compiles_nothing(self, reports):
        each, none = {"1": 1, "5": 1}, {"1": 0, "5": 0}
        assert (reports["first"]["hits"], reports["first"]["misses"]) == (none, each)
        assert (reports["second"]["hits"], reports["second"]["misses"]) == (each, none)
        # What the kernels call came with them.
        assert reports["first"]["shared"] > 0
        assert reports["second"]["shared"] == 0

    def test_a_cached_kernel_computes_what_the_compiled_one_did(self, reports):
        assert reports["second"]["distances"] == reports["first"]["distances"]

    @pytest.mark.parametrize(
        "machine", [pytest.param("haswell", marks=needs_avx2), pytest.param("oldest", marks=needs_x86)]
    )
    def test_another_machine_does_not_run_the_code_of_this_one(self, reports, machine):
        assert reports[machine]["hits"] == {"1": 0, "5": 0}
