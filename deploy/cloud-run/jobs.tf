# Runs, and what the daemon would do beside them. The hours are those of [schedule] in config/renewd.toml.

locals {
  # Renewals are not tried again by the platform: a run that a brake holds would begin again within seconds, and each try
  # would ask more cards. The trigger at two o'clock is its second try; the alert on failed executions tells of the first.
  # The other two charge nobody.
  jobs = {
    run        = { schedule = "0 10,14 * * *", tasks = var.tasks, retries = 0 }
    reconcile  = { schedule = "0 4 * * *", tasks = 1, retries = 1 }
    look-ahead = { schedule = "0 9 * * *", tasks = 1, retries = 1 }
  }
}

resource "google_cloud_run_v2_job" "renewd" {
  for_each = local.jobs

  name                = "renewd-${each.key}"
  location            = var.region
  deletion_protection = false

  template {
    task_count  = each.value.tasks
    parallelism = each.value.tasks

    template {
      service_account = google_service_account.job.email
      # Longer than any run: what hangs for three hours is ended, and looked up by the next run.
      timeout = "10800s"
      # A declined card exits with 0. Whatever is not 0 counts as a failure, since Cloud Run has no rule for single codes:
      # also 3 of reconcile, something waits for a person. The alert on failed executions tells it.
      max_retries = each.value.retries

      containers {
        image = var.image
        args  = [each.key]

        # Measured at 48 MiB for a million due; this is Cloud Run's least for a job.
        resources {
          limits = { cpu = "1", memory = "512Mi" }
        }

        dynamic "env" {
          for_each = local.environment
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "volume_mounts" {
          for_each = local.job_secrets
          content {
            name       = volume_mounts.key
            mount_path = "/secrets/${volume_mounts.key}"
          }
        }

        volume_mounts {
          name       = "cloudsql"
          mount_path = "/cloudsql"
        }
      }

      dynamic "volumes" {
        for_each = local.job_secrets
        content {
          name = volumes.key
          secret {
            secret = volumes.key
            items {
              version = "latest"
              path    = "value"
            }
          }
        }
      }

      volumes {
        name = "cloudsql"
        cloud_sql_instance {
          instances = [google_sql_database_instance.renewd.connection_name]
        }
      }
    }
  }

  depends_on = [google_project_service.used, google_secret_manager_secret_iam_member.job, google_project_iam_member.job_database]
}

resource "google_cloud_scheduler_job" "renewd" {
  for_each = local.jobs

  name      = "renewd-${each.key}"
  region    = var.region
  schedule  = each.value.schedule
  time_zone = "Asia/Seoul"
  paused    = var.daemon

  # The call is tried again where Google does not take it, and not the run. Started twice it does no harm: both share what
  # is due.
  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.renewd[each.key].id}:run"

    oauth_token {
      service_account_email = google_service_account.scheduler.email
    }
  }

  depends_on = [google_project_service.used]
}
