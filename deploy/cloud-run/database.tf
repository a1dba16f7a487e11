# PostgreSQL, of the version that renewd is tested on. It is reached through Cloud Run's own connection, which encrypts;
# no network may come directly.

resource "google_sql_database_instance" "renewd" {
  name                = "renewd"
  region              = var.region
  database_version    = "POSTGRES_15"
  deletion_protection = true

  settings {
    tier                        = var.database_tier
    edition                     = "ENTERPRISE"
    availability_type           = "REGIONAL"
    deletion_protection_enabled = true
    connector_enforcement       = "REQUIRED"

    ip_configuration {
      ipv4_enabled = true
      ssl_mode     = "ENCRYPTED_ONLY"
    }

    # Attempts and payments belong together: a backup is of the whole.
    backup_configuration {
      enabled                        = true
      start_time                     = "18:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 30
      }
    }

    # Sunday, three o'clock in the morning in Seoul: nothing is charged then.
    maintenance_window {
      day          = 6
      hour         = 18
      update_track = "stable"
    }
  }

  depends_on = [google_project_service.used]
}

resource "google_sql_database" "renewd" {
  name     = "renewd"
  instance = google_sql_database_instance.renewd.name
}
