"""Facts about Log Analytics, Application Insights, diagnostics, alerts and budgets.

Sources: azurerm's loganalytics, applicationinsights, monitor and consumption services, 5.x; Azure Monitor's list of
resource logs for what a storage account itself does not have.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

from standin import azure
from standin.facts.model import (
    IDENTITY,
    IDENTITY_CHOICES,
    IDENTITY_IDS,
    PLACE,
    Facts,
    Values,
    World,
    blocks,
    known,
)
from standin.facts.storage import secret

_RETENTION = (30, 60, 90, 120, 180, 270, 365, 550, 730)
_WORKSPACE = "Microsoft.OperationalInsights/workspaces"
_FREQUENCY = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H")
_WINDOW = (*_FREQUENCY, "PT6H", "PT12H", "P1D")
_MINUTES = {"PT1M": 1, "PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60, "PT6H": 360, "PT12H": 720, "P1D": 1440}


def _log_plan(values: Values, prior: Values | None) -> Iterator[str]:
    for log in blocks(values, "enabled_log"):
        named = [name for name in ("category", "category_group") if log.get(name) is not None]
        if len(named) != 1:
            yield "exactly one of `category` or `category_group` must be specified in `enabled_log`"
    if values.get("enabled_log") == [] and values.get("enabled_metric") == []:
        yield "at least one `enabled_log` or `enabled_metric` must be specified"


def _log_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    kind = (azure.kind_of(values["target_resource_id"]) or "").lower()
    if kind == "microsoft.storage/storageaccounts" and values.get("enabled_log"):
        yield "BadRequest: Category is not supported: a storage account has metrics; its logs are those of its services"


def _metric_plan(values: Values, prior: Values | None) -> Iterator[str]:
    frequency, window = values.get("frequency"), values.get("window_size")
    if known(frequency) and known(window) and _MINUTES.get(window, 0) < _MINUTES.get(frequency, 0):
        yield f"window_size {window} must not be shorter than frequency {frequency}"


def _metric_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    scopes = values.get("scopes") or []
    wide = any(azure.kind_of(scope) in ("subscriptions", "resourceGroups") for scope in scopes)
    if (len(scopes) > 1 or wide) and not (values.get("target_resource_type") and values.get("target_resource_location")):
        yield "`target_resource_type` and `target_resource_location` are required for several scopes, a group or a subscription"


def _budget_plan(values: Values, prior: Values | None) -> Iterator[str]:
    for period in blocks(values, "time_period"):
        start = period.get("start_date")
        if known(start) and not _first_of_month(start):
            yield f"`start_date` {start!r} must be the first of a month at midnight UTC, in RFC 3339, from 2017-06-01 on"
    notifications = blocks(values, "notification")
    if len(notifications) > 5:
        yield f"at most 5 `notification` blocks, got {len(notifications)}"
    for notification in notifications:
        if all(notification.get(name) == [] or notification.get(name) is None for name in _CONTACTS):
            yield f"at least one of {', '.join(_CONTACTS)} must be given in every `notification`"


_CONTACTS = ("contact_emails", "contact_groups", "contact_roles")


def _first_of_month(text: str) -> bool:
    try:
        when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return when.tzinfo is not None and when.strftime("%d%H%M%S") == "01000000" and when.year * 100 + when.month >= 201706


def _ten_years_on(it: Values) -> str:
    start = it["block"]["start_date"]
    return f"{int(start[:4]) + 10}{start[4:]}"


def _budget(scope: str) -> Facts:
    return Facts(
        id=f"{{{scope}}}/providers/Microsoft.Consumption/budgets/{{name}}",
        force_new=("name", scope, "time_grain", "time_period.start_date"),
        defaults={"time_grain": "Monthly", "notification.enabled": True, "notification.threshold_type": "Actual"},
        computed={"etag": '"{uuid}"', "time_period.end_date": _ten_years_on},
        choices={
            "time_grain": ("BillingAnnual", "BillingMonth", "BillingQuarter", "Annually", "Monthly", "Quarterly"),
            "notification.operator": ("EqualTo", "GreaterThan", "GreaterThanOrEqualTo"),
            "notification.threshold_type": ("Actual", "Forecasted"),
        },
        ranges={"amount": (1, float("inf")), "notification.threshold": (0, 1000)},
        patterns={"name": (r"[-\w]{1,63}", "must be 1 to 63 letters, digits, hyphens and underscores")},
        ids={
            scope: "resourceGroups" if scope == "resource_group_id" else "subscriptions",
            "notification.contact_groups": "Microsoft.Insights/actionGroups",
        },
        plan_rules=(_budget_plan,),
    )


FACTS: Mapping[str, Facts] = {
    "azurerm_log_analytics_workspace": Facts(
        id="{group}/providers/Microsoft.OperationalInsights/workspaces/{name}",
        force_new=PLACE,
        defaults={
            "allow_resource_only_permissions": True,
            "daily_quota_gb": -1,
            "local_authentication_enabled": True,
        },
        computed={
            **IDENTITY,
            "workspace_id": "{uuid}",
            "sku": "PerGB2018",
            "retention_in_days": lambda it: 30,
            "primary_shared_key": secret,
            "secondary_shared_key": secret,
        },
        sensitive=frozenset({"primary_shared_key", "secondary_shared_key"}),
        choices=IDENTITY_CHOICES,
        ranges={"retention_in_days": (7, 730)},
        patterns={
            "name": (
                r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
                "must be 4 to 63 letters, digits and hyphens, no hyphen first or last",
            )
        },
        ids=IDENTITY_IDS,
    ),
    "azurerm_application_insights": Facts(
        id="{group}/providers/Microsoft.Insights/components/{name}",
        force_new=(*PLACE, "application_type"),
        defaults={
            "daily_data_cap_in_gb": 100,
            "daily_data_cap_notifications_enabled": True,
            "force_customer_storage_for_profiler": False,
            "internet_ingestion_enabled": True,
            "internet_query_enabled": True,
            "ip_masking_enabled": True,
            "local_authentication_enabled": True,
            "retention_in_days": 90,
            "sampling_percentage": 100,
        },
        computed={
            "app_id": "{uuid}",
            "instrumentation_key": "{uuid}",
            "connection_string": lambda it: (
                f"InstrumentationKey={azure.made_up(it['id'], 'instrumentation_key')};"
                f"IngestionEndpoint=https://{it['location']}-0.in.applicationinsights.azure.com/"
            ),
            "workspace_id": lambda it: "",
        },
        sensitive=frozenset({"instrumentation_key", "connection_string"}),
        choices={
            "application_type": ("ios", "java", "MobileCenter", "Node.JS", "other", "phone", "store", "web"),
            "retention_in_days": _RETENTION,
        },
        ranges={"sampling_percentage": (0, 100), "daily_data_cap_in_gb": (0, float("inf"))},
        ids={"workspace_id": _WORKSPACE},
    ),
    "azurerm_application_insights_smart_detection_rule": Facts(
        id="{application_insights_id}/smartDetectionRule/{name}",
        force_new=("name", "application_insights_id"),
        defaults={"enabled": True, "send_emails_to_subscription_owners": True},
    ),
    "azurerm_monitor_diagnostic_setting": Facts(
        id="{target_resource_id}|{name}",
        force_new=("name", "target_resource_id"),
        computed={"log_analytics_destination_type": lambda it: None},
        choices={"log_analytics_destination_type": ("Dedicated", "AzureDiagnostics")},
        ids={
            "target_resource_id": "*",
            "log_analytics_workspace_id": _WORKSPACE,
            "storage_account_id": "Microsoft.Storage/storageAccounts",
        },
        at_least_one=(
            ("eventhub_authorization_rule_id", "log_analytics_workspace_id", "partner_solution_id", "storage_account_id"),
        ),
        plan_rules=(_log_plan,),
        apply_rules=(_log_apply,),
    ),
    "azurerm_monitor_action_group": Facts(
        id="{group}/providers/Microsoft.Insights/actionGroups/{name}",
        force_new=PLACE,
        defaults={
            "enabled": True,
            "location": "global",
            **{
                f"{kind}_receiver.use_common_alert_schema": False
                for kind in ("arm_role", "automation_runbook", "azure_function", "email", "event_hub", "logic_app", "webhook")
            },
        },
        patterns={
            "short_name": (r".{1,12}", "must be 1 to 12 characters"),
            "email_receiver.email_address": (r"\S+@\S+", "must be an address"),
        },
    ),
    "azurerm_monitor_metric_alert": Facts(
        id="{group}/providers/Microsoft.Insights/metricAlerts/{name}",
        force_new=("name", "resource_group_name"),
        defaults={
            "auto_mitigate": True,
            "enabled": True,
            "frequency": "PT1M",
            "severity": 3,
            "window_size": "PT5M",
            "criteria.skip_metric_validation": False,
            "dynamic_criteria.evaluation_total_count": 4,
            "dynamic_criteria.evaluation_failure_count": 4,
        },
        computed={
            "target_resource_type": lambda it: azure.kind_of(it["scopes"][0]) or "",
            "target_resource_location": lambda it: "",
        },
        choices={
            "frequency": _FREQUENCY,
            "window_size": _WINDOW,
            "criteria.aggregation": ("Average", "Count", "Minimum", "Maximum", "Total"),
            "criteria.operator": ("Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"),
            "criteria.dimension.operator": ("Include", "Exclude", "StartsWith"),
        },
        ranges={"severity": (0, 4)},
        ids={"scopes": "*", "action.action_group_id": "Microsoft.Insights/actionGroups"},
        exactly_one=(("criteria", "dynamic_criteria", "application_insights_web_test_location_availability_criteria"),),
        plan_rules=(_metric_plan,),
        apply_rules=(_metric_apply,),
    ),
    "azurerm_monitor_activity_log_alert": Facts(
        id="{group}/providers/Microsoft.Insights/activityLogAlerts/{name}",
        force_new=PLACE,
        defaults={"enabled": True},
        ids={"scopes": "*", "action.action_group_id": "Microsoft.Insights/actionGroups"},
    ),
    "azurerm_monitor_scheduled_query_rules_alert_v2": Facts(
        id="{group}/providers/Microsoft.Insights/scheduledQueryRules/{name}",
        force_new=PLACE,
        defaults={
            "auto_mitigation_enabled": False,
            "enabled": True,
            "skip_query_validation": False,
            "workspace_alerts_storage_enabled": False,
        },
        computed={
            **IDENTITY,
            "created_with_api_version": "2023-12-01",
            "is_a_legacy_log_analytics_rule": lambda it: False,
            "is_workspace_alerts_storage_configured": lambda it: False,
        },
        choices={
            **IDENTITY_CHOICES,
            "criteria.operator": ("Equal", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"),
            "criteria.time_aggregation_method": ("Average", "Count", "Maximum", "Minimum", "Total"),
        },
        ranges={"severity": (0, 4)},
        ids={**IDENTITY_IDS, "scopes": "*", "action.action_groups": "Microsoft.Insights/actionGroups"},
    ),
    "azurerm_consumption_budget_resource_group": _budget("resource_group_id"),
    "azurerm_consumption_budget_subscription": _budget("subscription_id"),
}
