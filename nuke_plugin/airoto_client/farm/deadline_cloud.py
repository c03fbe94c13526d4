"""AWS Deadline Cloud: a job bundle, alone or joined with the bundle of the host's own submitter.

A bundle is a folder with an Open Job Description template, the values of its parameters and the
files that it refers to. `deadline-cloud-for-nuke` exports one whose step renders a Write; joined,
the mattes' steps come first and that step waits for them, in one job.

Source: the developer guide's "job bundle". Checked with the loader of the `deadline` package;
nothing was submitted to AWS.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, BadRequestError, EngineUnavailableError, OutputError
from airoto_client.farm import openjd
from airoto_client.farm.job import FarmJob
from airoto_client.farm.managers import Submission, refused
from airoto_client.files import atomic_file, write_error

NAME = "deadline-cloud"
FOLDER = "deadline-cloud"
_WHAT = "Deadline Cloud"
_SUBMITTER = "AIRoto"
_TEMPLATES = ("template.yaml", "template.json")
_VALUES = ("parameter_values.yaml", "parameter_values.json")
_ASSETS = ("asset_references.yaml", "asset_references.json")


def submit(job: FarmJob, *, files_only: bool = False, bundle: str | None = None) -> Submission:
    """Write the bundle into the job's folder, and submit it to the default farm and queue.

    Args:
        files_only: write it and submit nothing.
        bundle: another bundle whose steps wait for the mattes.

    Raises:
        BadRequestError: the other bundle cannot be joined; says why.
        EngineUnavailableError: the `deadline` package is not installed.
        ServerUnreachableError: Deadline Cloud did not take it.
        OutputError: the bundle cannot be written.
    """
    folder = write_bundle(job, None if bundle is None else Path(bundle))
    files = tuple(sorted(path for path in folder.iterdir() if path.is_file()))
    if files_only:
        return Submission(NAME, files, {})
    try:
        from deadline.client.api import create_job_from_job_bundle
    except ImportError as exc:
        raise _missing(exc) from exc
    said: list[str] = []
    try:
        taken = create_job_from_job_bundle(
            str(folder),
            priority=job.wishes.priority,
            max_retries_per_task=job.wishes.retries,
            submitter_name=_SUBMITTER,
            print_function_callback=said.append,
        )
    except Exception as exc:  # boto raises classes of its own making, at run time
        raise refused(_WHAT, type(exc).__name__, str(exc)) from exc
    if not taken:
        raise refused(_WHAT, "no job id", "\n".join(said))
    return Submission(NAME, files, {"": taken})


def write_bundle(job: FarmJob, other: Path | None = None) -> Path:
    """The bundle of a job, joined with another one; its folder, which is written anew.

    Raises:
        BadRequestError: the other bundle cannot be read or joined.
        OutputError: it cannot be written.
    """
    yaml = _yaml()
    template = _on_shared_storage(openjd.template(job))
    values: list[Any] = [
        {"name": "deadline:priority", "value": job.wishes.priority},
        {"name": "deadline:maxRetriesPerTask", "value": job.wishes.retries},
    ]
    # The template's own default is the folder that it lies in, which is another one here.
    values.append({"name": openjd.FOLDER, "value": job.folder})
    assets: dict[str, Any] = {
        "inputs": {"filenames": [], "directories": []},
        "outputs": {"directories": []},
        # On storage that all workers see: nothing is uploaded.
        "referencedPaths": [job.folder, str(job.cache_folder)],
    }
    folder = Path(job.folder) / FOLDER
    fresh = folder.with_name(f".{FOLDER}.new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        if other is None:
            fresh.mkdir()
        else:
            _within(job, other)
            shutil.copytree(other, fresh)
            template = joined(template, _read(other, _TEMPLATES, required=True))
            theirs = _read(other, _VALUES).get("parameterValues", [])
            named = {one["name"] for one in theirs}
            values = [*theirs, *(one for one in values if one["name"] not in named)]
            assets = _joined_assets(assets, _read(other, _ASSETS).get("assetReferences", {}))
            for name in (*_TEMPLATES, *_VALUES, *_ASSETS):
                (fresh / name).unlink(missing_ok=True)
        for name, said in (
            (_TEMPLATES[0], template),
            (_VALUES[0], {"parameterValues": values}),
            (_ASSETS[0], {"assetReferences": assets}),
        ):
            with atomic_file(fresh / name) as file:
                file.write(yaml.safe_dump(said, sort_keys=False, allow_unicode=True).encode())
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    except OSError as exc:
        raise write_error(exc, folder) from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def joined(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Two templates as one: ours first, and each of their steps that waits for none waits for ours.

    Raises:
        BadRequestError: they are of different versions, or mean different things by one name.
    """
    version = ours["specificationVersion"]
    if theirs.get("specificationVersion") != version:
        raise BadRequestError(
            f"the bundle's template has specificationVersion "
            f"{theirs.get('specificationVersion')!r}; allowed: {version!r}"
        )
    own_steps = [one["name"] for one in ours["steps"]]
    taken = sorted(set(own_steps) & {one.get("name") for one in theirs.get("steps", [])})
    if taken:
        raise BadRequestError(
            f"the bundle's template has steps called as AIRoto's: {', '.join(taken)}"
        )
    waited_for = {
        one["dependsOn"] for step in ours["steps"] for one in step.get("dependencies", [])
    }
    last = [{"dependsOn": name} for name in own_steps if name not in waited_for]
    result = dict(theirs)
    extensions = dict.fromkeys([*theirs.get("extensions", []), *ours.get("extensions", [])])
    if extensions:
        result["extensions"] = list(extensions)
    result["parameterDefinitions"] = _definitions(
        [*ours.get("parameterDefinitions", []), *theirs.get("parameterDefinitions", [])]
    )
    environments = [*ours.get("jobEnvironments", []), *theirs.get("jobEnvironments", [])]
    if environments:
        result["jobEnvironments"] = environments
    result["steps"] = [
        *ours["steps"],
        *(
            step if step.get("dependencies") else {**step, "dependencies": last}
            for step in theirs.get("steps", [])
        ),
    ]
    return result


def _on_shared_storage(template: dict[str, Any]) -> dict[str, Any]:
    """The template with a job folder that workers see as it is: nothing is uploaded."""
    definitions = [
        {**one, "dataFlow": "NONE"} if one["name"] == openjd.FOLDER else one
        for one in template["parameterDefinitions"]
    ]
    return {**template, "parameterDefinitions": definitions}


def _definitions(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    by_name: dict[str, Mapping[str, Any]] = {}
    for one in found:
        name = str(one.get("name"))
        if by_name.setdefault(name, one) != one:
            raise BadRequestError(
                f"the bundle's template has a parameter {name} that AIRoto has too"
            )
    return list(by_name.values())


def _joined_assets(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    inputs, outputs = theirs.get("inputs", {}), theirs.get("outputs", {})
    paths = [*theirs.get("referencedPaths", []), *ours["referencedPaths"]]
    return {
        "inputs": {
            "filenames": list(inputs.get("filenames", [])),
            "directories": list(inputs.get("directories", [])),
        },
        "outputs": {"directories": list(outputs.get("directories", []))},
        "referencedPaths": list(dict.fromkeys(paths)),
    }


def _read(folder: Path, names: Iterable[str], *, required: bool = False) -> dict[str, Any]:
    yaml = _yaml()
    for name in names:
        path = folder / name
        try:
            # JSON is YAML.
            found = yaml.safe_load(path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise BadRequestError(f"{path} cannot be read: {exc.strerror}", path=str(path)) from exc
        except yaml.YAMLError as exc:
            raise BadRequestError(f"{path} is no YAML: {exc}", path=str(path)) from exc
        if not isinstance(found, dict):
            raise BadRequestError(f"{path} holds no mapping", path=str(path))
        return found
    if required:
        raise BadRequestError(
            f"{folder} is no job bundle: it has no {' or '.join(names)}", path=str(folder)
        )
    return {}


def _within(job: FarmJob, other: Path) -> None:
    own = Path(job.folder).resolve()
    if own == other.resolve() or other.resolve() in own.parents:
        raise OutputError(
            f"the bundle {other} holds the job's own folder {own}; name another bundle or job",
            path=str(other),
        )


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as exc:
        raise _missing(exc) from exc
    return yaml


def _missing(exc: ImportError) -> AIRotoError:
    return EngineUnavailableError(
        f"{_WHAT} needs packages that are not installed: {exc}",
        hint="pip install 'airoto[deadline-cloud]' (to write the bundle alone, with --files-only, "
        "'airoto[farm]' is enough)",
    )
