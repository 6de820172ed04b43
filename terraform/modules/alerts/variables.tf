variable "action_group" {
  description = "Who is told: addresses by a name of the caller's. short_name is what messages are signed with."
  type = object({
    emails     = optional(map(string), {})
    name       = string
    short_name = string
  })
  nullable = false

  validation {
    condition     = length(var.action_group.short_name) >= 1 && length(var.action_group.short_name) <= 12
    error_message = "action_group.short_name has 1 to 12 characters; \"${var.action_group.short_name}\" has ${length(var.action_group.short_name)}."
  }

  validation {
    condition     = alltrue([for email in var.action_group.emails : can(regex(local.patterns.email, email))])
    error_message = "No addresses: ${join(", ", [for name, email in var.action_group.emails : "${name} = ${email}" if !can(regex(local.patterns.email, email))])}."
  }
}

variable "budgets" {
  description = "Budgets of the resource group by name: an amount a month, in the currency of the subscription, and the shares of it at which someone is told, spent or foreseen. start_date (YYYY-MM-01T00:00:00Z, the current month or a later one) counts only when the budget is made; null: that month."
  type = map(object({
    amount     = number
    start_date = optional(string)
    thresholds = optional(map(object({
      forecast = optional(bool, false)
      percent  = number
      })), {
      foreseen = { forecast = true, percent = 100 }
      nearly   = { percent = 80 }
      spent    = { percent = 100 }
    })
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for budget in var.budgets : budget.amount > 0])
    error_message = "A budget's amount is above 0; not so in: ${join(", ", [for name, budget in var.budgets : name if budget.amount <= 0])}."
  }

  validation {
    condition     = alltrue([for budget in var.budgets : budget.start_date == null ? true : can(regex(local.patterns.month, budget.start_date))])
    error_message = "A budget starts with a month, like 2027-01-01T00:00:00Z; not so in: ${join(", ", [for name, budget in var.budgets : "${name} = ${budget.start_date == null ? "null" : budget.start_date}" if budget.start_date == null ? false : !can(regex(local.patterns.month, budget.start_date))])}."
  }

  validation {
    condition     = alltrue([for budget in var.budgets : length(budget.thresholds) >= 1 && length(budget.thresholds) <= 5])
    error_message = "A budget has 1 to 5 thresholds; not so in: ${join(", ", [for name, budget in var.budgets : name if length(budget.thresholds) < 1 || length(budget.thresholds) > 5])}."
  }

  validation {
    condition     = alltrue(flatten([for budget in var.budgets : [for threshold in budget.thresholds : threshold.percent > 0 && threshold.percent <= 1000]]))
    error_message = "A threshold is above 0 and at most 1000 percent; not so in: ${join(", ", flatten([for name, budget in var.budgets : [for key, threshold in budget.thresholds : "${name}/${key}" if threshold.percent <= 0 || threshold.percent > 1000]]))}."
  }
}

variable "metric_alerts" {
  description = "Alerts on metrics of the workspace by name: the metric as Azure Monitor calls it (Failed Runs, Quota Utilization Percentage, Total Nodes …), how it is put together over a window, and what it must not be. severity: 0 critical to 4 verbose."
  type = map(object({
    aggregation = string
    description = optional(string)
    frequency   = optional(string, "PT15M")
    metric      = string
    operator    = optional(string, "GreaterThan")
    severity    = optional(number, 3)
    threshold   = number
    window      = optional(string, "PT1H")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for alert in var.metric_alerts : contains(local.aggregations, alert.aggregation) && contains(local.operators, alert.operator)])
    error_message = "An alert's aggregation is ${join(", ", local.aggregations)}, its operator ${join(", ", local.operators)}; not so in: ${join(", ", [for name, alert in var.metric_alerts : name if !(contains(local.aggregations, alert.aggregation) && contains(local.operators, alert.operator))])}."
  }

  validation {
    condition     = alltrue([for alert in var.metric_alerts : contains(local.windows, alert.window) && contains(local.frequencies, alert.frequency)])
    error_message = "An alert's window is ${join(", ", local.windows)}, its frequency ${join(", ", local.frequencies)}; not so in: ${join(", ", [for name, alert in var.metric_alerts : "${name} (${alert.window}, ${alert.frequency})" if !(contains(local.windows, alert.window) && contains(local.frequencies, alert.frequency))])}."
  }

  validation {
    condition     = alltrue([for alert in var.metric_alerts : !contains(local.windows, alert.window) || !contains(local.frequencies, alert.frequency) ? true : index(local.windows, alert.window) >= index(local.windows, alert.frequency)])
    error_message = "An alert looks back over a window at least as long as it waits to look again; not so in: ${join(", ", [for name, alert in var.metric_alerts : "${name} (window ${alert.window}, frequency ${alert.frequency})" if !contains(local.windows, alert.window) || !contains(local.frequencies, alert.frequency) ? false : index(local.windows, alert.window) < index(local.windows, alert.frequency)])}."
  }

  validation {
    condition     = alltrue([for alert in var.metric_alerts : contains([0, 1, 2, 3, 4], alert.severity)])
    error_message = "An alert's severity is 0 to 4; not so in: ${join(", ", [for name, alert in var.metric_alerts : name if !contains([0, 1, 2, 3, 4], alert.severity)])}."
  }
}

variable "resource_group_id" {
  description = "Resource id of the resource group whose costs are watched."
  type        = string
  nullable    = false
}

variable "resource_group_name" {
  description = "Resource group of all that this module makes."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of all that this module makes."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "workspace_id" {
  description = "Workspace whose metrics are watched."
  type        = string
  nullable    = false
}
