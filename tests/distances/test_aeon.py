"""All pairs against aeon, a third implementation of DTW.

It needs an older numba than ours and runs in an environment of its own, which uv makes. Without its packages
the tests are skipped; with `CI=true` they fail instead, so that a CI cannot go without them.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import squareform

from loadprofiles.distances.kernels import pairwise
from tests.distances.reference import adversarial_profiles, random_profiles
from tests.servers import last_line, unavailable

AEON = "aeon==1.6.0"
RADII = [1, 4, None]
PROFILES = {
    "random": random_profiles(12),
    "random_odd": random_profiles(12, 25),
    "random_96": random_profiles(12, 96),
    "adversarial": adversarial_profiles(),
    "adversarial_odd": adversarial_profiles(25),
    "adversarial_96": adversarial_profiles(96),
}

# It leaves the square root out, and takes the band as a fraction of the length, times which it rounds down:
# half a step more is the radius itself, whatever the rounding of the fraction.
COMPUTE = """
import pathlib
import sys

import numpy as np
from aeon.distances import dtw_pairwise_distance

folder = pathlib.Path(sys.argv[1])
(folder / "started").touch()
for file in sorted(folder.glob("*.npy")):
    profiles = np.load(file)
    for radius in sys.argv[2:]:
        window = None if radius == "None" else (int(radius) + 0.5) / profiles.shape[1]
        squared = dtw_pairwise_distance(profiles[:, None, :], window=window)
        with (folder / f"{file.stem}-{radius}.result").open("wb") as result:
            np.save(result, squared)
"""


@pytest.fixture(scope="module")
def squared_by_aeon(tmp_path_factory):
    """Squared distances (n, n) by the name of the profiles and the radius."""
    folder = tmp_path_factory.mktemp("aeon")
    for name, profiles in PROFILES.items():
        np.save(folder / f"{name}.npy", profiles.astype(np.float32).astype(np.float64))
    script = folder / "compute.py"
    script.write_text(COMPUTE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "run", "--isolated", "--no-project", "--no-config"),
            *("--python", f"{sys.version_info.major}.{sys.version_info.minor}", "--with", AEON),
            *("python", "-I", str(script), str(folder), *map(str, RADII)),
        ],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if not (folder / "started").exists():
        unavailable(f"{AEON} cannot be had: {last_line(done.stderr)}")
    assert done.returncode == 0, done.stderr
    return {(name, radius): np.load(folder / f"{name}-{radius}.result") for name in PROFILES for radius in RADII}


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("name", PROFILES)
def test_distances_equal_the_root_of_aeons(squared_by_aeon, name, radius):
    values = PROFILES[name].astype(np.float32)
    expected = np.sqrt(squareform(squared_by_aeon[name, radius], checks=False))
    assert pairwise(values, radius) == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert pairwise(values, radius, dtype=np.float64) == pytest.approx(expected, rel=1e-12, abs=1e-25)


def test_the_radii_are_told_apart(squared_by_aeon):
    """Else a band that aeon ignores or widens would go unseen."""
    for name in ("random", "random_odd", "random_96"):
        narrow, wider, free = (squareform(squared_by_aeon[name, radius], checks=False) for radius in RADII)
        assert (narrow > wider).mean() > 0.9
        assert (wider >= free).all()
        assert (wider > free).any()
