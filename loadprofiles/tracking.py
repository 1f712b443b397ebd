"""Recording runs in MLflow: the only module of the package that knows it."""

import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import click
import mlflow
from mlflow.data.dataset_source_registry import get_dataset_source_from_json
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Run as Run
from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema
from mlflow.utils import mlflow_tags
from sqlalchemy.exc import SQLAlchemyError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from loadprofiles.errors import InputError, LoadProfilesError, ParameterError, StoreError, has_secret, mask_secrets
from loadprofiles.sourcecode import copy_modules
from loadprofiles.step import CURRENT_RUN, ServedModel, StepInput, StepResult, Url, artifact_tag, is_artifact_uri
from loadprofiles.tables import first_line

STEP_TAG = "step"
ERROR_TAG = "error"
FINGERPRINT_TAG = "fingerprint"
PARTS_TAG = "fingerprint_parts"
MODEL_TAG = "model_uri"

FINISHED = RunStatus.to_string(RunStatus.FINISHED)
FAILED = RunStatus.to_string(RunStatus.FAILED)
KILLED = RunStatus.to_string(RunStatus.KILLED)

_MLFLOWS_OWN = r".*(Any type hint is inferred as AnyType|Operation with range is deprecated)"
"""Warnings of MLflow about MLflow, when it logs a model: of its own type hints, and of how it compares columns."""

_NOT_LOGGED = ("out_csv", "workspace")
"""Where a result is written is no parameter of it."""

_MADE_UP_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")
"""What MLflow calls a run that nobody has named."""

_STEP_RUN = "run_id."
"""Before a step's name: the parent's tag with the id of that step's run."""

_NO_SUCH = "RESOURCE_DOES_NOT_EXIST"
_MOST = 10_000
_TAG_LENGTH = 5000
_DIGEST_LENGTH = 36
_INPUT_ATTEMPTS = 3


@contextmanager
def run(step: str, params: Mapping[str, Any]) -> Iterator[Run]:
    """An MLflow run around a block: the one that `mlflow run` or the chain has opened, else a new one.

    It ends as FINISHED; as FAILED with the tag `error` on an exception; as KILLED on an interruption.

    Raises:
        ParameterError: A parameter holds a URI with a password.
        StoreError: The MLflow store cannot be used.
    """
    active = _start(step)
    status = FAILED
    try:
        _log_params(active, params)
        yield active
        status = FINISHED
    except KeyboardInterrupt:
        status = KILLED
        raise
    except BaseException as error:
        text = str(error) if isinstance(error, LoadProfilesError) else f"{type(error).__name__}: {error}"
        mlflow.set_tag(ERROR_TAG, mask_secrets(text)[:_TAG_LENGTH])
        raise
    finally:
        mlflow.end_run(status)


def _start(step: str) -> Run:
    with _explained():
        name = None if "MLFLOW_RUN_ID" in os.environ else step
        # a sweep's own run is open around those that it carries out in the same process
        active = mlflow.start_run(run_name=name, nested=mlflow.active_run() is not None)
        mlflow.set_tag(STEP_TAG, step)
        _name(active, step)
    return active


@contextmanager
def _explained() -> Iterator[None]:
    """A block in which errors of the MLflow store say what to do."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise StoreError(
            f"the MLflow store {mask_secrets(mlflow.get_tracking_uri())} cannot be used: {first_line(error)} "
            f"(this environment has MLflow {mlflow.__version__}; a store made by a newer one needs that one, "
            "one made by an older one `mlflow db upgrade`)"
        ) from error


def _name(active: Run, name: str) -> None:
    """Name a run, unless its user has: with `mlflow run --run-name`."""
    now = get_run(active.info.run_id)
    if now.info.run_name == now.data.tags.get(STEP_TAG) or _MADE_UP_NAME.fullmatch(now.info.run_name):
        mlflow.set_tag(mlflow_tags.MLFLOW_RUN_NAME, name)


def _log_params(active: Run, params: Mapping[str, Any]) -> None:
    """Log what `mlflow run` has not logged already."""
    texts = {name: "" if value is None else str(value) for name, value in params.items() if name not in _NOT_LOGGED}
    for name, text in texts.items():
        if has_secret(text):
            raise ParameterError(
                f"{name}: a URI with a password or token is refused, MLflow keeps parameters in the clear"
            )
    mlflow.log_params({name: text for name, text in texts.items() if name not in active.data.params})


def run_step(name: str, function: Callable[..., StepResult], params: dict[str, Any]) -> None:
    """Run one step and record its result.

    Args:
        name: The step's name, as in MLproject.
        function: Takes `params` and `workspace`, a folder that lives as long as the step.
        params: The step's parameters; artifact URIs and URLs among them are resolved to local paths.
    """
    with run(name, params) as active, tempfile.TemporaryDirectory(prefix=f"{name}-") as workspace:
        CURRENT_RUN.set(active.info.run_id)
        inputs = Path(workspace) / "inputs"
        local = {key: resolve(value, inputs / key) for key, value in params.items()}
        result = function(workspace=Path(workspace), **local)
        urls = {local[key]: value for key, value in params.items() if isinstance(local[key], Path)}
        record(active, result, urls)
        for note in result.notes:
            click.echo(f"{name}: {mask_secrets(note)}")


def resolve(value: Any, destination: Path) -> Any:
    """A parameter as a step takes it: artifacts and URLs as local paths, all else as it is.

    Raises:
        InputError: There is no such artifact, or the URL cannot be fetched.
    """
    if not isinstance(value, str):
        return value
    if is_artifact_uri(value):
        return local_path(value, destination)
    if isinstance(value, Url):
        from loadprofiles.sources.remote import fetch  # heavy imports: only where there is a URL

        return fetch(value)
    return value


def record(active: Run, result: StepResult, urls: Mapping[Path, Any] | None = None) -> None:
    """Record what a step made in its run, which is the active one.

    Args:
        active: The run.
        result: What was made.
        urls: Of the inputs, where they were fetched from.
    """
    for name, path in result.outputs.items():
        mlflow.log_artifact(str(path), name)
        mlflow.set_tag(artifact_tag(name), f"{active.info.artifact_uri}/{name}/{path.name}")
    for file in result.files:
        mlflow.log_artifact(str(file))
    for given in result.inputs:
        _log_input(given, str((urls or {}).get(given.path, given.path)))
    _log_params(active, result.params)
    mlflow.log_metrics(result.metrics)
    mlflow.set_tags({key: mask_secrets(value)[:_TAG_LENGTH] for key, value in result.tags.items()})
    if result.model:
        _log_model(result.model)
    if result.run_name:
        _name(active, result.run_name)
    if result.notes:
        mlflow.log_text(mask_secrets("\n".join(result.notes)) + "\n", "log.txt")
    for child in result.children:
        with mlflow.start_run(run_name=child.run_name, nested=True) as child_run:
            record(child_run, child)
        if child.chosen:
            mlflow.set_tag(MODEL_TAG, get_run(child_run.info.run_id).data.tags[MODEL_TAG])


def _log_model(model: ServedModel) -> None:
    """Log a model that loads where this project is not: its script, files, the modules it imports, exact versions."""
    inputs = Schema([ColSpec(kind, name) for name, kind in model.inputs])
    outputs = Schema([ColSpec(kind, name) for name, kind in model.outputs])
    with tempfile.TemporaryDirectory(prefix="model-") as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", _MLFLOWS_OWN, module=r"mlflow\.")
        logged = mlflow.pyfunc.log_model(
            name=model.name,
            python_model=str(model.script),
            artifacts={name: str(path) for name, path in model.files.items()},
            code_paths=[str(copy_modules(model.script, Path(folder)))],
            signature=ModelSignature(inputs, outputs),
            input_example=model.example,
            pip_requirements=[f"{package}=={version(package)}" for package in model.packages],
            registered_model_name=model.registered_name or None,
        )
    mlflow.set_tag(MODEL_TAG, logged.model_uri)
    if model.registered_name and model.alias:
        MlflowClient().set_registered_model_alias(model.registered_name, model.alias, logged.registered_model_version)


def _log_input(given: StepInput, uri: str) -> None:
    # by its type: MLflow registers two classes for local paths, and warns when it has to choose
    source = get_dataset_source_from_json(json.dumps({"uri": uri}), "local")
    # abstract in name only: MLflow itself makes MetaDatasets without a `profile`
    dataset = MetaDataset(source, name=given.name, digest=given.digest[:_DIGEST_LENGTH])  # type: ignore[abstract]
    # MLflow adds a dataset that it does not find: of two runs that do so at once one fails, and finds it then
    trying = Retrying(
        retry=retry_if_exception_type(MlflowException), stop=stop_after_attempt(_INPUT_ATTEMPTS), reraise=True
    )
    trying(mlflow.log_input, dataset, context="input")


def local_path(uri: str, destination: Path) -> Path:
    """An artifact as a local file: itself where the store is local, else a copy below `destination`.

    Raises:
        InputError: There is no such artifact.
    """
    try:
        location = RunsArtifactRepository.get_underlying_uri(uri) if uri.startswith("runs:/") else uri
        parts = urlsplit(location)
        if parts.scheme in ("", "file"):
            path = Path(unquote(parts.path))
        else:
            destination.mkdir(parents=True, exist_ok=True)
            path = Path(mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=str(destination)))
    except (MlflowException, OSError) as error:
        raise InputError(f"{uri}: cannot be read from MLflow: {first_line(error)}") from error
    if not path.exists():
        raise InputError(f"{uri}: is not in MLflow any more")
    return path


def step_output(step_run: Run, tag: str) -> str:
    """The `runs:/` URI of the artifact that a run's `tag` names."""
    relative = step_run.data.tags[tag].removeprefix(f"{step_run.info.artifact_uri}/")
    return f"runs:/{step_run.info.run_id}/{relative}"


def open_child(parent: Run, step: str, tags: dict[str, str]) -> str:
    """Create a run below `parent` for a step that another process will carry out; return its id."""
    child = MlflowClient().create_run(
        parent.info.experiment_id,
        run_name=step,
        tags={
            mlflow_tags.MLFLOW_PARENT_RUN_ID: parent.info.run_id,
            mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT: step,
            mlflow_tags.MLFLOW_SOURCE_NAME: f"{step}.py",
            STEP_TAG: step,
            **tags,
        },
    )
    return str(child.info.run_id)


def get_run(run_id: str) -> Run:
    """A run as it is now."""
    return MlflowClient().get_run(run_id)


def close_child(run_id: str, status: str, error: str) -> None:
    """End a run whose process died without doing so."""
    client = MlflowClient()
    if not RunStatus.is_terminated(RunStatus.from_string(client.get_run(run_id).info.status)):
        client.set_tag(run_id, ERROR_TAG, error)
        client.set_terminated(run_id, status)


def close_children(parent: Run, error: str) -> None:
    """End, as killed, the runs below `parent` that still count as running."""
    query = f"tags.`{mlflow_tags.MLFLOW_PARENT_RUN_ID}` = '{parent.info.run_id}' and attributes.status = 'RUNNING'"
    for child in _search(parent.info.experiment_id, query):
        close_child(child.info.run_id, KILLED, error)


def finished_by_fingerprint(experiment_id: str, step: str) -> dict[str, str]:
    """The latest finished run of a step for each fingerprint: fingerprint to run id."""
    query = f"tags.{STEP_TAG} = '{step}' and attributes.status = '{FINISHED}' and tags.{FINGERPRINT_TAG} != ''"
    found = _search(experiment_id, query)
    return {run.data.tags[FINGERPRINT_TAG]: run.info.run_id for run in reversed(found)}


def _search(experiment_id: str, query: str) -> list[Run]:
    """Runs, the latest first, however many there are."""
    client, found, token = MlflowClient(), [], None
    while True:
        page = client.search_runs([experiment_id], query, order_by=["attributes.start_time DESC"], page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found


def find_runs(step: str, limit: int | None = None) -> list[Run]:
    """Finished runs of a step in all experiments, the latest first.

    Args:
        step: Its name, as in MLproject; of the chain itself `pipeline`.
        limit: Most runs to find; None: all.

    Raises:
        StoreError: The MLflow store cannot be used.
    """
    query = f"tags.{STEP_TAG} = '{step}' and attributes.status = '{FINISHED}'"
    with _explained():
        experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
        found = mlflow.search_runs(
            experiments,
            query,
            order_by=["attributes.start_time DESC"],
            max_results=limit or _MOST,
            output_format="list",
        )
    return list(found)


def find_run(run_id: str) -> Run:
    """A run by its id.

    Raises:
        InputError: There is none.
        StoreError: The MLflow store cannot be used.
    """
    try:
        with _explained():
            return get_run(run_id)
    except StoreError as error:
        if isinstance(error.__cause__, MlflowException) and error.__cause__.error_code == _NO_SUCH:
            raise InputError(f"run {run_id}: is not in the MLflow store {mask_secrets(store_uri())}") from error
        raise


def steps_of(parent: Run) -> dict[str, str]:
    """The runs that a run of the chain is made of, its own or reused: step to run id."""
    tags = parent.data.tags.items()
    return {name.removeprefix(_STEP_RUN): run_id for name, run_id in tags if name.startswith(_STEP_RUN)}


def run_link(found: Run) -> str:
    """Where MLflow's pages show a run, from their root on."""
    return f"#/experiments/{found.info.experiment_id}/runs/{found.info.run_id}"


def register(run_id: str, name: str, alias: str) -> None:
    """Register the model that a run has logged, and give the version an alias, if that is not empty."""
    registered = mlflow.register_model(get_run(run_id).data.tags[MODEL_TAG], name)
    if alias:
        MlflowClient().set_registered_model_alias(name, alias, registered.version)


def latest_finished(experiment_id: str, step: str, fingerprint: str | None = None) -> Run | None:
    """The latest finished run of a step, of those with `fingerprint` if it is given; None if there is none."""
    query = f"tags.{STEP_TAG} = '{step}' and attributes.status = '{FINISHED}'"
    query += f" and tags.{FINGERPRINT_TAG} = '{fingerprint}'" if fingerprint else f" and tags.{FINGERPRINT_TAG} != ''"
    found = MlflowClient().search_runs([experiment_id], query, max_results=1, order_by=["attributes.start_time DESC"])
    return found[0] if found else None


def fingerprint_tags(fingerprint: str, parts: dict[str, str]) -> dict[str, str]:
    """The tags that let a later run find this one again and say what differs."""
    return {FINGERPRINT_TAG: fingerprint, PARTS_TAG: json.dumps(parts, sort_keys=True)}


def fingerprint_parts(step_run: Run) -> dict[str, str]:
    """What `fingerprint_tags` recorded of a run."""
    parts: dict[str, str] = json.loads(step_run.data.tags.get(PARTS_TAG, "{}"))
    return parts


def record_chain(parent: Run, runs: Mapping[str, Run], shown: Sequence[str]) -> None:
    """On the parent: which runs its steps were, and the numbers of those to be shown, and the name of the first."""
    results = [get_run(runs[step].info.run_id) for step in shown if step in runs]
    mlflow.set_tags({f"{_STEP_RUN}{step}": step_run.info.run_id for step, step_run in runs.items()})
    mlflow.set_tag(
        mlflow_tags.MLFLOW_RUN_NOTE, "\n".join(_link(parent, step, step_run) for step, step_run in runs.items())
    )
    for result in results:
        mlflow.log_metrics(result.data.metrics)
    if results:
        _name(parent, f"pipeline {results[0].info.run_name}")


def _link(parent: Run, step: str, step_run: Run) -> str:
    """A line of the parent's description: a reused run is another parent's child, and is not listed below it."""
    reused = step_run.data.tags.get(mlflow_tags.MLFLOW_PARENT_RUN_ID) != parent.info.run_id
    return f"- {step}: [{step_run.info.run_name}]({run_link(step_run)}){' (reused)' if reused else ''}"


def store_uri() -> str:
    """The URI of the MLflow store in use."""
    return str(mlflow.get_tracking_uri())


def where_to_see() -> str:
    """The server that shows the runs, or the command that starts one."""
    uri = mask_secrets(store_uri())
    return uri if uri.startswith("http") else f"`mlflow ui --backend-store-uri {uri}`"
