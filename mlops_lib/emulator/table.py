"""All routes of the local Azure ML, and what it knows that it does not have."""

from __future__ import annotations

from . import (
    arm,
    batch,
    computes,
    datastores,
    history,
    identity,
    inference,
    invocations,
    jobs,
    mlflow,
    online,
    quota,
    schedules,
    surroundings,
    versions,
    workspaces,
)
from .router import PROVIDER, WORKSPACE, Absent, Router, Service

_ABSENT = (
    (f"{WORKSPACE}/serverlessEndpoints", "serverless endpoints"),
    (f"{WORKSPACE}/marketplaceSubscriptions", "marketplace subscriptions"),
    (f"{WORKSPACE}/connections", "connections"),
    (f"{WORKSPACE}/featuresets", "feature sets"),
    (f"{WORKSPACE}/featurestoreEntities", "feature store entities"),
    (f"{WORKSPACE}/outboundRules", "managed networks"),
    (f"{WORKSPACE}/privateEndpointConnections", "private endpoints"),
    (f"{PROVIDER}/registries", "registries"),
    (f"{PROVIDER}/virtualclusters", "virtual clusters"),
    ("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Resources", "deployments of templates"),
)

_FAMILIES = (identity, workspaces, datastores, computes, versions, jobs, schedules, online, batch, surroundings, quota, arm,
             history, mlflow, inference, invocations)

ROUTER = Router([route for family in _FAMILIES for route in family.ROUTES],
                [Absent(Service.MANAGEMENT, pattern, what) for pattern, what in _ABSENT])
