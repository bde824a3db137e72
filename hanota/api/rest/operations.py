"""Every operation of REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.api.rest import activation, audit, devices, events, gbcs, hub, images, inventory, jobs, products
from hanota.api.rest.routes import Routes

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hanota.api.context import ApiContext


def router(context: ApiContext) -> APIRouter:
    """Return the router of REST."""
    routes = Routes(context)
    for part in (hub, devices, inventory, images, jobs, activation, products, events, audit, gbcs):
        part.add(routes)
    return routes.router
