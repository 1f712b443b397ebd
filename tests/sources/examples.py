"""Documents of the new MongoDB, for tests."""


def document(meter="m1", date="2020-01-01", energy_type="active_sum", **fields):
    return {
        "_id": f"{meter}/{date}/{energy_type}",
        "id": meter,
        "date": date,
        "energy_type": energy_type,
        "00:00:00": 0.25,
        **fields,
    }
