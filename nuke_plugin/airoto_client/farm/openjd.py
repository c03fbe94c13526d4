"""A farm job as an Open Job Description template (specification 2023-09)."""

from __future__ import annotations

from typing import Any

from airoto_client.farm.job import FarmJob, Host, Needs, Step

VERSION = "jobtemplate-2023-09"
# The parameter that names the job's folder.
FOLDER = "JobFolder"
# Seconds that a task has to stop cleanly: a frame on a slow device, and the server's goodbye.
_NOTICE = 60
_SERVER_START = 600
_SERVER_STOP = 60
_NAME_LENGTH = 128


def template(job: FarmJob) -> dict[str, Any]:
    """The template as plain data, for YAML or JSON.

    It lies in the job's folder: the parameter `JobFolder` counts from there.
    """
    hosts = {step.host for step in job.steps}
    return {
        "specificationVersion": VERSION,
        "name": _plain(job.name)[:_NAME_LENGTH],
        "description": f"AIRoto: {', '.join(step.name for step in job.steps)}",
        "parameterDefinitions": _parameters(job, hosts),
        "steps": [_step(one) for one in job.steps],
    }


def _parameters(job: FarmJob, hosts: set[Host]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {
            "name": FOLDER,
            "type": "PATH",
            "objectType": "DIRECTORY",
            "dataFlow": "INOUT",
            "default": ".",
            "description": "The folder that this template lies in, as blades see it.",
        },
        {
            "name": "Airoto",
            "type": "STRING",
            "default": "airoto",
            "description": "The airoto command on the blades.",
        },
        {
            "name": "Server",
            "type": "STRING",
            "default": "",
            "description": "Address of a studio's server (host:port or unix:/path). Empty: each "
            "session starts a server of its own and stops it.",
        },
        {
            "name": "Cache",
            "type": "STRING",
            "default": job.cache,
            "description": "Folder that all blades see, in which results travel from task to "
            "task. Empty: `cache` in the job's folder.",
        },
        {
            "name": "Threads",
            "type": "INT",
            "default": 0,
            "minValue": 0,
            "description": "Worker threads of a session's own server; 0: all processors. Results "
            "do not depend on it.",
        },
    ]
    if Host.NUKE in hosts:
        made.append(
            {
                "name": "Nuke",
                "type": "STRING",
                "default": "nuke",
                "description": "The Nuke command on the blades.",
            }
        )
    return made


def _step(step: Step) -> dict[str, Any]:
    run = ["farm", "task", "{{Param.JobFolder}}", step.name, "{{Task.Param.Task}}", "--openjd"]
    if step.host is Host.NUKE:
        run += ["--nuke", "{{Param.Nuke}}"]
    made: dict[str, Any] = {
        "name": step.name,
        "parameterSpace": {
            "taskParameterDefinitions": [
                {"name": "Task", "type": "INT", "range": f"1-{len(step.tasks)}"}
            ]
        },
        "script": {
            "actions": {
                "onRun": {
                    "command": "{{Param.Airoto}}",
                    "args": run,
                    "cancelation": {
                        "mode": "NOTIFY_THEN_TERMINATE",
                        "notifyPeriodInSeconds": _NOTICE,
                    },
                }
            }
        },
    }
    if step.depends_on:
        made["dependencies"] = [{"dependsOn": name} for name in step.depends_on]
    if step.host is Host.AIROTO:
        made["stepEnvironments"] = [_server()]
    amounts = _amounts(step.needs)
    if amounts:
        made["hostRequirements"] = {"amounts": amounts}
    return made


def _server() -> dict[str, Any]:
    """The environment in which tasks find a server (`AIROTO_SERVER`)."""
    place = ["{{Session.WorkingDirectory}}"]
    start = [
        *("--job", "{{Param.JobFolder}}", "--use", "{{Param.Server}}"),
        *("--cache", "{{Param.Cache}}", "--threads", "{{Param.Threads}}"),
    ]
    return {
        "name": "AIRotoServer",
        "description": "A server for the session's tasks: its own, or the studio's.",
        "script": {
            "actions": {
                "onEnter": {
                    "command": "{{Param.Airoto}}",
                    "args": ["farm", "server", "start", *place, *start],
                    "timeout": _SERVER_START,
                },
                "onExit": {
                    "command": "{{Param.Airoto}}",
                    "args": ["farm", "server", "stop", *place],
                    "timeout": _SERVER_STOP,
                },
            }
        },
    }


def _amounts(needs: Needs) -> list[dict[str, Any]]:
    wanted = (
        ("amount.worker.gpu", needs.gpus),
        ("amount.worker.gpu.memory", needs.gpu_memory),
        ("amount.worker.memory", needs.memory),
    )
    return [{"name": name, "min": least} for name, least in wanted if least]


def _plain(name: str) -> str:
    """A name without what a template would take for an expression."""
    kept = "".join(letter if letter.isprintable() else " " for letter in name)
    return kept.replace("{{", "{ {").replace("}}", "} }").strip() or "mattes"
