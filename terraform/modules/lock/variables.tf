variable "locks" {
  description = "Locks by a key of the caller's: a name, the resource id that it is on, and why it is there."
  type = map(object({
    name  = string
    notes = string
    scope = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for lock in var.locks : can(regex("^[^<>%&:?/]{1,260}$", lock.name))])
    error_message = "A lock's name has 1 to 260 characters without any of < > % & : ? /; not so in: ${join(", ", [for key, lock in var.locks : key if !can(regex("^[^<>%&:?/]{1,260}$", lock.name))])}."
  }

  validation {
    condition     = alltrue([for lock in var.locks : length(lock.notes) <= 512])
    error_message = "The notes of a lock have at most 512 characters; more have: ${join(", ", [for key, lock in var.locks : key if length(lock.notes) > 512])}."
  }
}
