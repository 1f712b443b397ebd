"""MLproject's entry points against the scripts' own options, so that they cannot drift."""

import importlib
from pathlib import Path

import click
import pytest
import yaml

from loadprofiles import cli
from loadprofiles.steps import CHAIN, DATA

ROOT = Path(__file__).resolve().parent.parent
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
ENTRY_POINTS = PROJECT["entry_points"]
NUMBERS = (click.IntRange, click.FloatRange, cli.Resolution, cli.Clusters)


def options_of(entry_point):
    script = "pipeline" if entry_point == "main" else entry_point
    command = importlib.import_module(script).main
    return {option.name: option for option in command.params}


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_parameters_types_and_defaults_are_those_of_the_script(entry_point):
    declared = ENTRY_POINTS[entry_point]["parameters"]
    options = options_of(entry_point)
    assert set(declared) == set(options)
    for name, option in options.items():
        kind = "float" if isinstance(option.type, NUMBERS) else "string"
        assert declared[name] == {"type": kind, "default": type(declared[name]["default"])(option.default)}, name


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_commands_run_the_script_with_every_parameter(entry_point):
    script = "pipeline" if entry_point == "main" else entry_point
    passed = " ".join(f"--{name} {{{name}}}" for name in ENTRY_POINTS[entry_point]["parameters"])
    assert ENTRY_POINTS[entry_point]["command"] == f"python {script}.py {passed}"


def test_every_step_of_the_chain_is_an_entry_point_that_takes_what_the_chain_passes():
    pipeline = set(options_of("main"))
    for step in CHAIN:
        taken = set(ENTRY_POINTS[step.name]["parameters"])
        assert {*step.params, *step.inputs} | ({"out_csv"} if step.output else set()) <= taken
        assert set(step.files) <= set(step.params)
        assert set(step.params.values()) <= pipeline


def test_the_sweep_takes_what_the_chain_passes_up_to_the_harmonized_table():
    taken = set(options_of("sweep"))
    for step in DATA:
        assert set(step.params.values()) <= taken, step.name
    assert set(cli.names_of(cli.model_settings)) < taken & set(cli.names_of(cli.clustering))


OF_ITS_OWN = {
    ("sweep", "in_csv"): "",
    ("sweep", "registered_model"): "",
    ("sweep", "ignore_previous_runs"): "false",
    ("clustering", "customers_folder"): "",
    ("forecasting", "customers_folder"): "",
    ("forecasting", "model"): "auto",
    ("forecasting", "registered_model"): "load_forecaster",
    ("anomalies", "customers_folder"): "",
    ("theft_bench", "readings"): "readings.parquet",
    ("etl_newmongo", "load_new"): "true",
}
"""Parameters with another default in one entry point than in the others."""


def test_a_parameter_has_one_default_wherever_it_is_taken():
    defaults = {}
    for entry_point in ENTRY_POINTS:
        for name, option in options_of(entry_point).items():
            own = OF_ITS_OWN.get((entry_point, name))
            assert own is None or option.default == own
            if own is None and name != "out_csv":
                defaults.setdefault(name, set()).add(option.default)
    assert {name for name, values in defaults.items() if len(values) > 1} == set()


def test_inputs_of_a_step_are_made_by_a_step_before_it():
    made = set()
    for step in CHAIN:
        assert set(step.inputs.values()) <= made, step.name
        made |= set(step.outputs)


def test_the_readings_of_every_source_are_merged_and_handed_on():
    (harmonization,) = [step for step in CHAIN if step.name == "harmonization"]
    taken = {name: made for name, made in harmonization.inputs.items() if name.endswith("_readings")}
    etl = [step.name for step in CHAIN if step.name.startswith("etl_")]
    assert taken == {f"{name.removeprefix('etl_')}_readings": f"{name}.readings" for name in etl}
    assert harmonization.outputs == {"harmonized_csv": "harmonized_csv", "harmonization.readings": "readings_csv"}


def test_the_environment_is_pinned_exactly_and_names_no_host():
    conda = yaml.safe_load((ROOT / PROJECT["conda_env"]).read_text())
    assert conda["dependencies"][0] == "python=3.11"
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text().splitlines()
        assert len(lines) > 50
        assert all("==" in line and "://" not in line for line in lines)


def test_the_test_environment_has_the_products_versions():
    product, tests = (
        dict(line.split("==") for line in (ROOT / name).read_text().splitlines())
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    assert product.items() <= tests.items()
    assert "kmedoids" not in product, "GPL-3: an oracle of the tests only"
