import pytest

from loadprofiles.errors import InputError
from loadprofiles.meters import Limits, limits_of, read_description

HEADER = "id,Contractual power (kW),Production (kW),Type\n"


def description(tmp_path, rows):
    path = tmp_path / "smart_meter_description.csv"
    path.write_text(HEADER + rows)
    return path


def test_limits_come_from_the_description_and_unknown_ones_are_200_kw(tmp_path):
    table = read_description(description(tmp_path, "007,40,10.8,\nB,,0,pump\nC,0,,User\n"))
    assert limits_of(table, "007") == Limits(40.0, 10.8, known=True)
    assert limits_of(table, "B") == Limits(200.0, 0.0, known=False)
    assert limits_of(table, "C") == Limits(200.0, 200.0, known=False)
    assert limits_of(table, "not listed") == Limits(200.0, 200.0, known=False)


def test_without_a_description_nothing_is_known():
    assert limits_of(read_description(None), "A") == Limits(200.0, 200.0, known=False)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("A,forty,0,\n", "contracted_power_kw"),
        ("A,-1,0,\n", "contracted_power_kw"),
        ("A,1,0,\nA,2,0,\n", "meter_id"),
    ],
)
def test_bad_descriptions_name_file_and_column(tmp_path, rows, message):
    with pytest.raises(InputError, match=message) as caught:
        read_description(description(tmp_path, rows))
    assert "smart_meter_description.csv" in str(caught.value)


def test_a_description_without_a_column_names_it(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,Type\nA,x\n")
    with pytest.raises(InputError, match=r"'Contractual power \(kW\)', 'Production \(kW\)' is missing"):
        read_description(path)
