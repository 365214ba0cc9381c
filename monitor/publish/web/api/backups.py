"""Backups over the API: asked for by an admin, written beside the cycles into the state directory, under a name."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from monitor.config.tokens import Role
from monitor.publish.web.access import Caller, demand_role
from monitor.publish.web.api.openapi import NOT_FOUND
from monitor.publish.web.state import Control

log = structlog.get_logger("calwatch")
Admin = Annotated[Caller, Depends(demand_role(Role.ADMIN))]


class BackupRequest(BaseModel):
    """A backup to write."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.tar$",
        description="the file's name; null: one with the time in it",
    )


class BackupItem(BaseModel):
    """A backup and what became of it."""

    backup: str = Field(description="its id")
    state: str = Field(description="waiting, done or failed")
    file: str = Field(description="its name in backups/ of the state directory")
    bytes: int | None = None
    problem: str | None = None


def backup_router(control: Control, *, now: Callable[[], datetime]) -> APIRouter:
    """Asking for backups, which needs the role admin, and what became of them, under /api/v1."""
    router = APIRouter(tags=["change"])

    @router.post("/backups", status_code=202)
    def backup(asked: BackupRequest, caller: Admin) -> BackupItem:
        """Ask for a backup of the whole state; it is written within seconds of the cycle that runs. One of the same name
        is replaced."""
        name = asked.name or f"calwatch-{now().astimezone(UTC):%Y%m%dT%H%M%SZ}.tar"
        token = control.ask_backup(name)
        log.info("backup asked for", file=name, backup=token, by=caller.name)
        return BackupItem(backup=token, state="waiting", file=name)

    @router.get("/backups/{backup_id}", responses=NOT_FOUND)
    def backed_up(backup_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> BackupItem:
        """What became of a backup; of the newest 100."""
        found = control.find_backup(backup_id)
        if found is None:
            raise HTTPException(404, "there is no such backup, or it was long ago")
        state, file, size, problem = found
        return BackupItem(backup=backup_id, state=state, file=file, bytes=size, problem=problem)

    return router
