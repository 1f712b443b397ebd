"""Running a table of steps: side by side where they can, each in a process and an MLflow run of its own.

A step of which code, parameters and inputs are those of an earlier finished run can be reused. Whatever
ends the chain, no process and no running MLflow run is left behind.
"""

import hashlib
import json
import multiprocessing.connection
import os
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import click

from loadprofiles import tracking, workers
from loadprofiles.distances.matrix import stored_digests
from loadprofiles.errors import InputError, LoadProfilesError, StepFailedError, mask_secrets
from loadprofiles.sourcecode import ROOT, own_modules
from loadprofiles.sources.remote import fetch
from loadprofiles.step import WITHOUT_EFFECT, Step, is_artifact_uri
from loadprofiles.tables import content_digest

ENVIRONMENT_FILE = ROOT / "requirements.txt"
_CODE = {"code": "", "environment": ""}
"""What a table that is added to may have been made by in another version."""

_POLL_SECONDS = 1.0
_GRACE_SECONDS = 20.0


def run_pipeline(steps: tuple[Step, ...], params: Mapping[str, Any]) -> None:
    """Run `steps` below one parent run, which gets the metrics of those that are to be shown.

    Args:
        steps: The chain.
        params: The pipeline's parameters.

    Raises:
        StepFailedError: A step failed; the others were stopped and the parent is marked failed.
    """
    started = time.perf_counter()
    with tracking.run("pipeline", params) as parent:
        runs = Chain(steps, params, parent).run()
        tracking.record_chain(parent, runs, [step.name for step in steps if step.shown])
        seconds = time.perf_counter() - started
        click.echo(f"pipeline: run {parent.info.run_id} finished in {seconds:.0f} s; see {tracking.where_to_see()}")


class Chain:
    """One run of a table of steps below one parent run."""

    def __init__(self, steps: tuple[Step, ...], params: Mapping[str, Any], parent: tracking.Run) -> None:
        """Take up the steps whose source is not left out.

        Args:
            steps: The table, each step after those it takes inputs from.
            params: The pipeline's parameters; `ignore_previous_runs` and `load_new` say what to reuse.
            parent: The run below which each step gets its own.
        """
        self._params = params
        self._parent = parent
        self._pending = [step for step in steps if not step.source or params[step.source] is not None]
        self._running: dict[Step, tuple[BaseProcess, str]] = {}
        self._done: dict[str, tracking.Run] = {}
        self._outputs: dict[str, str] = {}
        self._workspace = Path()
        # under `mlflow run` an interruption may end only the shell between it and us
        self._launcher = os.getppid() if "MLFLOW_RUN_ID" in os.environ else None

    def run(self) -> dict[str, tracking.Run]:
        """Run or reuse every step; return the runs by step name.

        Raises:
            StepFailedError: A step failed; the others were stopped.
        """
        with tempfile.TemporaryDirectory(prefix="pipeline-") as workspace:
            self._workspace = Path(workspace)
            try:
                while self._pending or self._running:
                    for step in self._ready():
                        self._pending.remove(step)
                        self._start_or_reuse(step)
                    self._wait()
            except BaseException as error:
                self._stop(error)
                raise
        return self._done

    def _ready(self) -> list[Step]:
        """Pending steps none of whose inputs is still to be made, as many as there are processors free."""
        awaited = {name for step in [*self._pending, *self._running] for name in step.outputs}
        ready = [step for step in self._pending if not awaited & set(step.inputs.values())]
        return ready[: max(2, os.cpu_count() or 2) - len(self._running)]

    def _start_or_reuse(self, step: Step) -> None:
        parts = self._parts(step)
        fingerprint = _digest_text(json.dumps(parts, sort_keys=True))
        earlier, reason = self._find_earlier(step, parts, fingerprint)
        if earlier:
            click.echo(f"{step.name}: reused run {earlier.info.run_id}, {reason}")
            self._finish(step, earlier)
            return
        click.echo(f"{step.name}: runs, {reason}")
        run_id = tracking.open_child(self._parent, step.name, tracking.fingerprint_tags(fingerprint, parts))
        environment = {
            "MLFLOW_RUN_ID": run_id,
            "MLFLOW_TRACKING_URI": tracking.store_uri(),
            "MLFLOW_EXPERIMENT_ID": self._parent.info.experiment_id,
        }
        if step.live in os.environ:  # the fork server may be older than the variable
            environment[step.live] = os.environ[step.live]
        try:
            process = workers.start(ROOT / f"{step.name}.py", self._arguments(step), environment)
        except BaseException:
            tracking.close_child(run_id, tracking.KILLED, "its process could not be started")
            raise
        self._running[step] = (process, run_id)

    def _arguments(self, step: Step) -> list[str]:
        values = {name: self._params[source] for name, source in step.params.items()}
        values |= {name: self._outputs.get(made) for name, made in step.inputs.items()}
        if step.resumes and os.environ.get(step.live):
            values[step.resumes] = self._earlier_load(step)
        if step.output:
            values["out_csv"] = self._workspace / (step.out_csv or f"{step.output.removesuffix('_csv')}.csv")
        return [text for name, value in values.items() for text in (f"--{name}", _text(value))]

    def _earlier_load(self, step: Step) -> str | None:
        """What the step made when it last read the same system by the same parameters, to add to; None if nothing."""
        earlier = tracking.latest_finished(self._parent.info.experiment_id, step.name)
        if not earlier or self._what_is_gone(step, earlier):
            return None
        before, now = ({**parts, **_CODE} for parts in (tracking.fingerprint_parts(earlier), self._parts(step)))
        return tracking.step_output(earlier, step.output) if before == now else None

    def _parts(self, step: Step) -> dict[str, str]:
        """All that a step's result depends on: code, environment, parameters, contents of its inputs."""
        parts = {"code": code_digest(step.name), "environment": content_digest(ENVIRONMENT_FILE)}
        live = os.environ.get(step.live)
        for name, source in step.params.items():
            value = self._params[source]
            if name in WITHOUT_EFFECT:
                continue
            if name not in step.files:
                parts[f"parameter {name}"] = _text(value)
            elif name == "dtw_path":
                parts[f"input {name}"] = _digest_text(json.dumps(stored_digests(value), sort_keys=True))
            elif live and name == step.files[0]:
                parts[f"input {name}"] = _digest_text(mask_secrets(live))
            else:
                parts[f"input {name}"] = _input_digest(self._local(value))
        for name, made in step.inputs.items():
            uri = self._outputs.get(made)
            parts[f"input {name}"] = _input_digest(self._artifact(uri) if uri else None)
        return parts

    def _find_earlier(self, step: Step, parts: dict[str, str], fingerprint: str) -> tuple[tracking.Run | None, str]:
        """An earlier run to take over, and why; or None, and why the step must run."""
        # a live system cannot be digested: what was loaded from it last stands until load_new asks for more
        if os.environ.get(step.live):
            asked_for_new, why = bool(self._params["load_new"]), "load_new=true"
        else:
            asked_for_new, why = bool(self._params["ignore_previous_runs"]), "ignore_previous_runs=true"
        if asked_for_new:
            return None, why
        experiment = self._parent.info.experiment_id
        found = tracking.latest_finished(experiment, step.name, fingerprint)
        if found:
            gone = self._what_is_gone(step, found)
            return (None, gone) if gone else (found, "same code, parameters and inputs")
        latest = tracking.latest_finished(experiment, step.name)
        if not latest:
            return None, "it has not run here before"
        before = tracking.fingerprint_parts(latest)
        changed = sorted(name for name in parts.keys() | before.keys() if parts.get(name) != before.get(name))
        return None, f"changed since run {latest.info.run_id}: {', '.join(changed)}"

    def _what_is_gone(self, step: Step, earlier: tracking.Run) -> str:
        """What an earlier run made that is no longer there, or nothing."""
        for name, tag in step.outputs.items():
            try:
                self._artifact(tracking.step_output(earlier, tag))
            except (InputError, KeyError):
                return f"the artifact {name} of run {earlier.info.run_id} is gone"
        digest = earlier.data.tags.get("dtw_digest")
        if digest and digest != stored_digests(self._params["dtw_path"]).get(earlier.data.tags["dtw_matrix"]):
            return "its DTW matrix is gone or was replaced"
        return ""

    def _local(self, value: Path | str | None) -> Path | None:
        """An input as a local file or folder: texts are artifacts or URLs."""
        if not isinstance(value, str):
            return value
        return self._artifact(value) if is_artifact_uri(value) else fetch(value)

    def _artifact(self, uri: str) -> Path:
        """An artifact as a local file; of a remote store, a copy that lasts as long as the chain."""
        copy = self._workspace / "artifacts" / _digest_text(uri)
        return next(copy.glob("*"), None) or tracking.local_path(uri, copy)

    def _wait(self) -> None:
        """Wait for a process to end, or a moment, if any runs; take up what ended."""
        if sentinels := [process.sentinel for process, _ in self._running.values()]:
            multiprocessing.connection.wait(sentinels, _POLL_SECONDS)
        if self._launcher is not None and os.getppid() != self._launcher:
            raise KeyboardInterrupt
        for step, (process, run_id) in list(self._running.items()):
            if process.exitcode is None:
                continue
            del self._running[step]
            ended = tracking.get_run(run_id)
            if process.exitcode != 0 or ended.info.status != tracking.FINISHED:
                error = _failure(ended, process.exitcode)
                tracking.close_child(run_id, tracking.FAILED, error)
                raise StepFailedError(f"step {step.name} (run {run_id}) failed: {error}")
            self._finish(step, ended)

    def _finish(self, step: Step, step_run: tracking.Run) -> None:
        self._done[step.name] = step_run
        self._outputs |= {name: tracking.step_output(step_run, tag) for name, tag in step.outputs.items()}

    def _stop(self, error: BaseException) -> None:
        """End all processes and their runs."""
        reason = "stopped: another step failed" if isinstance(error, LoadProfilesError) else "interrupted"
        for process, _ in self._running.values():
            process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for process, run_id in self._running.values():
            process.join(max(0.0, deadline - time.monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()
            tracking.close_child(run_id, tracking.KILLED, reason)


def _failure(ended: tracking.Run, exitcode: int | None) -> str:
    if error := ended.data.tags.get(tracking.ERROR_TAG):
        return str(error)
    if exitcode is not None and exitcode < 0:
        return f"its process was killed by signal {-exitcode}; out of memory?"
    return f"its process ended with status {exitcode}; see the lines above"


@cache
def code_digest(step: str) -> str:
    """Digest of a step's script and of the modules of ours that it imports, directly or not."""
    return _digest_text("".join(content_digest(file) for file in own_modules(ROOT / f"{step}.py")))


def _input_digest(path: Path | None) -> str:
    """Digest of an input's content."""
    if path is None:
        return "left out"
    if not path.exists():
        return "absent"
    return content_digest(path)


def _digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any) -> str:
    return "" if value is None else str(value)
