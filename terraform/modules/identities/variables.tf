variable "identities" {
  description = "Identities by purpose; credentials let a workload elsewhere (a CI job) sign in as one of them without a secret."
  type = map(object({
    name = string
    credentials = optional(map(object({
      audience = optional(string, "api://AzureADTokenExchange")
      issuer   = string
      subject  = string
    })), {})
  }))
  nullable = false

  validation {
    condition     = alltrue([for identity in var.identities : can(regex(local.patterns.identity, identity.name))])
    error_message = "An identity's name has 3 to 128 letters, digits, '-' and '_', a letter or digit first; not so: ${join(", ", [for identity in var.identities : identity.name if !can(regex(local.patterns.identity, identity.name))])}."
  }

  validation {
    condition     = alltrue(flatten([for identity in var.identities : [for name, credential in identity.credentials : can(regex(local.patterns.credential, name))]]))
    error_message = "A credential's name has 3 to 120 letters, digits, '-' and '_', a letter or digit first; not so: ${join(", ", flatten([for key, identity in var.identities : [for name, credential in identity.credentials : "${key}/${name}" if !can(regex(local.patterns.credential, name))]]))}."
  }

  validation {
    condition     = alltrue(flatten([for identity in var.identities : [for credential in identity.credentials : startswith(credential.issuer, "https://")]]))
    error_message = "The issuer of a credential is an https:// address; not so: ${join(", ", flatten([for key, identity in var.identities : [for name, credential in identity.credentials : "${key}/${name}" if !startswith(credential.issuer, "https://")]]))}."
  }

  validation {
    condition     = alltrue(flatten([for identity in var.identities : [for credential in identity.credentials : credential.subject != "" && !strcontains(credential.subject, "*")]]))
    error_message = "The subject of a credential is compared letter by letter, a '*' matches nothing but itself; wrong in: ${join(", ", flatten([for key, identity in var.identities : [for name, credential in identity.credentials : "${key}/${name}" if credential.subject == "" || strcontains(credential.subject, "*")]]))}."
  }

  validation {
    condition     = alltrue([for identity in var.identities : length(identity.credentials) <= 20])
    error_message = "An identity has at most 20 credentials; more has: ${join(", ", [for key, identity in var.identities : key if length(identity.credentials) > 20])}."
  }
}

variable "location" {
  description = "Region of the identities."
  type        = string
  nullable    = false
}

variable "resource_group_name" {
  description = "Resource group of the identities."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of all that this module makes."
  type        = map(string)
  default     = {}
  nullable    = false
}
