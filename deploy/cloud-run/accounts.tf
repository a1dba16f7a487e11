# Three accounts, each with what it needs: the jobs, the daemon (which reads two secrets more), and whoever starts the jobs.
# Without the daemon its two secrets need not be there.

resource "google_service_account" "job" {
  account_id   = "renewd-job"
  display_name = "renewd: runs"
}

resource "google_service_account" "daemon" {
  account_id   = "renewd-daemon"
  display_name = "renewd: the daemon"
}

resource "google_service_account" "scheduler" {
  account_id   = "renewd-scheduler"
  display_name = "renewd: starts the jobs"
}

resource "google_project_iam_member" "job_database" {
  project = var.project
  role    = "roles/cloudsql.client"
  member  = google_service_account.job.member
}

resource "google_project_iam_member" "daemon_database" {
  project = var.project
  role    = "roles/cloudsql.client"
  member  = google_service_account.daemon.member
}

resource "google_secret_manager_secret_iam_member" "job" {
  for_each = local.job_secrets

  secret_id = each.key
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.job.member
}

resource "google_secret_manager_secret_iam_member" "daemon" {
  for_each = var.daemon ? local.daemon_secrets : toset([])

  secret_id = each.key
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.daemon.member
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  for_each = google_cloud_run_v2_job.renewd

  name     = each.value.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}

# run.jobs.runWithOverrides: a run for one subscription, a brake that is let go, a migration.
resource "google_cloud_run_v2_job_iam_member" "operators" {
  for_each = toset(var.operators)

  name     = google_cloud_run_v2_job.renewd["run"].name
  location = var.region
  role     = "roles/run.jobsExecutorWithOverrides"
  member   = each.key
}
