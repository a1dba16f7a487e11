# renewd on Cloud Run: what all parts share. jobs.tf runs it on a schedule, daemon.tf keeps it running, alerts.tf watches it.

locals {
  # Made by hand, as README.md says: no secret's value ever passes through Terraform or lies in its state.
  job_secrets    = toset(["renewd-database-url", "renewd-portone-api-secret"])
  daemon_secrets = toset(concat(tolist(local.job_secrets), ["renewd-portone-webhook-secret", "renewd-tokens"]))

  environment = {
    PORTONE_STORE_ID = var.store_id
    # So that Cloud Logging shows a line under the trace that caused it.
    GOOGLE_CLOUD_PROJECT    = var.project
    DATABASE_URL_FILE       = "/secrets/renewd-database-url/value"
    PORTONE_API_SECRET_FILE = "/secrets/renewd-portone-api-secret/value"
  }
}

resource "google_project_service" "used" {
  for_each = toset(["run", "cloudscheduler", "secretmanager", "sqladmin", "logging", "monitoring"])

  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}
