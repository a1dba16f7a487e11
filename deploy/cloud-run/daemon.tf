# The daemon, where it is wanted (`daemon = true`): one instance that is always there and always has its CPU, since it keeps
# a schedule of its own. Google stops an instance within 10 s, and charges under way have charge.stop_within (8 s).

locals {
  daemon_environment = merge(local.environment, {
    RENEWD_SERVER__LISTEN       = "0.0.0.0:8080"
    RENEWD_SERVER__TOKENS_FILE  = "/secrets/renewd-tokens/value"
    PORTONE_WEBHOOK_SECRET_FILE = "/secrets/renewd-portone-webhook-secret/value"
  })
}

resource "google_cloud_run_v2_service" "daemon" {
  count = var.daemon ? 1 : 0

  name                = "renewd"
  location            = var.region
  deletion_protection = false
  ingress             = "INGRESS_TRAFFIC_ALL"

  template {
    service_account = google_service_account.daemon.email
    timeout         = "60s"

    # While one revision follows another there are two for a moment, which share the work.
    scaling {
      min_instance_count = 1
      max_instance_count = 1
    }

    containers {
      image = var.image
      args  = ["daemon"]

      ports {
        container_port = 8080
      }

      resources {
        limits   = { cpu = "1", memory = "512Mi" }
        cpu_idle = false
      }

      # A revision that cannot do its work gets no traffic, and the one before it stays.
      startup_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 24
        http_get {
          path = "/readyz"
          port = 8080
        }
      }

      # After the start a database that is away is waited for: only what does not answer at all is started again. An instance
      # that begins without a database is ended after four minutes, and another one begins: the startup probe asks /readyz.
      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 6
        http_get {
          path = "/healthz"
          port = 8080
        }
      }

      dynamic "env" {
        for_each = local.daemon_environment
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "volume_mounts" {
        for_each = local.daemon_secrets
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
      for_each = local.daemon_secrets
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

  depends_on = [google_project_service.used, google_secret_manager_secret_iam_member.daemon, google_project_iam_member.daemon_database]
}

# PortOne's webhooks and customers' links carry no token of Google's. What renewd shows without one of its own stands in
# docs/SECURITY.md: health, webhooks whose signature is right, signed links, and the page's sign-in.
resource "google_cloud_run_v2_service_iam_member" "everybody" {
  count = var.daemon ? 1 : 0

  name     = google_cloud_run_v2_service.daemon[0].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
