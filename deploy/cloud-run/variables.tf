variable "project" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "Where all of it is."
  type        = string
  default     = "asia-northeast3"
}

variable "image" {
  description = "The image, such as asia-northeast3-docker.pkg.dev/PROJECT/renewd/renewd:0.1.0."
  type        = string
}

variable "store_id" {
  description = "The store that payments belong to, \"store-…\"."
  type        = string
}

variable "tasks" {
  description = "Tasks of one run beside each other. Limits such as charge.concurrency are each task's own."
  type        = number
  default     = 1

  validation {
    condition     = var.tasks >= 1 && var.tasks <= 20
    error_message = "From 1 to 20: each has database.pool_connections_max connections and one more."
  }
}

variable "daemon" {
  description = "Whether the daemon runs, with page, API and webhooks. It has a schedule of its own: the jobs' triggers then pause."
  type        = bool
  default     = false
}

variable "database_tier" {
  description = "The machine of the database."
  type        = string
  default     = "db-custom-1-3840"
}

variable "operators" {
  description = "Who may run the job by hand, with arguments of their own, such as [\"group:oncall@example.com\"]."
  type        = list(string)
  default     = []
}

variable "notification_channels" {
  description = "Who is told of alerts: names of channels of Cloud Monitoring, projects/PROJECT/notificationChannels/ID."
  type        = list(string)
  default     = []
}
