import numpy as np

from loadprofiles.normalisation import normalise


def test_zeros_stay_zeros_and_others_get_length_one():
    values = np.array([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]])
    np.testing.assert_allclose(normalise(values), [[0.6, 0.8], [0, 0], [-1, 0]])
