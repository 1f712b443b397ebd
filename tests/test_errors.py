from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.errors import InputError, has_password, mask_secrets


def test_password_of_a_uri_is_masked_and_the_rest_stays():
    text = "cannot reach mongodb://ana:s3cret@db.example:27017/x, nor http://db.example/"
    assert mask_secrets(text) == "cannot reach mongodb://ana:***@db.example:27017/x, nor http://db.example/"


def test_errors_never_print_a_password():
    assert "s3cret" not in str(InputError("postgresql+psycopg://ana:s3cret@db/x: refused"))


def test_a_uri_without_password_is_none():
    assert not has_password("mongodb://db.example:27017/x")
    assert not has_password("s3://bucket/a@b")
    assert has_password("mongodb+srv://ana:p:w@db.example/x")


@given(st.text(alphabet=st.characters(blacklist_characters="@/ ", blacklist_categories=["Z", "C"]), min_size=1))
def test_no_password_survives_masking(password):
    masked = mask_secrets(f"mongodb://u:{password}@host/db")
    assert masked == "mongodb://u:***@host/db"
