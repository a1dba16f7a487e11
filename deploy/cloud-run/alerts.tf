# Counters over the log and alerts on them: the counters are those of ../monitoring/cloud-logging, and no copies.

locals {
  counters = {
    for file in fileset("${path.module}/../monitoring/cloud-logging", "*.yaml") :
    trimsuffix(file, ".yaml") => yamldecode(file("${path.module}/../monitoring/cloud-logging/${file}"))
  }

  # One of them is enough to look.
  at_once = toset([
    "run-failed", "credentials-refused", "brake-tripped", "restore-suspected", "charging-paused", "needs-a-person",
    "money-without-an-owner",
  ])

  # Who writes the log: the jobs, and the daemon.
  writers = { jobs = "cloud_run_job", daemon = "cloud_run_revision" }
}

resource "google_logging_metric" "renewd" {
  for_each = local.counters

  name        = "renewd-${each.key}"
  description = each.value.description
  filter      = each.value.filter

  metric_descriptor {
    metric_kind = each.value.metricDescriptor.metricKind
    value_type  = each.value.metricDescriptor.valueType
    unit        = each.value.metricDescriptor.unit
  }

  depends_on = [google_project_service.used]
}

resource "google_monitoring_alert_policy" "at_once" {
  for_each = local.at_once

  display_name          = "renewd: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels

  dynamic "conditions" {
    for_each = local.writers
    content {
      display_name = "${each.key} (${conditions.key})"
      condition_threshold {
        filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.renewd[each.key].name}\" AND resource.type=\"${conditions.value}\""
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"
        aggregations {
          alignment_period   = "300s"
          per_series_aligner = "ALIGN_DELTA"
        }
      }
    }
  }

  documentation {
    content   = local.counters[each.key].description
    mime_type = "text/markdown"
  }
}

# Absent means: was there once, and then for 23.5 hours no more, which is the longest that Google's pages agree on; between
# two runs there are twenty hours at most. What never was there since this alert was made or changed is not absent: hence the
# first run by hand (README.md). Any run without a problem counts, also the daemon's retries every quarter of an hour, a run
# for one subscription, and one that was stopped: with `daemon = true` the alert to rely on is renewd_coverage_gap_days.
resource "google_monitoring_alert_policy" "no_run" {
  display_name          = "renewd: no run has done its work"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = "run-completed is absent"
    condition_absent {
      filter   = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.renewd["run-completed"].name}\" AND resource.type=\"${local.writers[var.daemon ? "daemon" : "jobs"]}\""
      duration = "84600s"
      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content   = "What is due stays due; find out why nothing ran: docs/OPERATIONS.md#renewals-not-covered"
    mime_type = "text/markdown"
  }
}

# What ends before it can log an event: settings that cannot be used (exit code 2), an image that does not start, a time-out.
# Whatever is not 0 is a failure here: also a run that was held, and 3 of reconcile, of which events tell as well.
resource "google_monitoring_alert_policy" "execution_failed" {
  display_name          = "renewd: an execution failed"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = "an execution failed"
    condition_threshold {
      filter          = "metric.type=\"run.googleapis.com/job/completed_execution_count\" AND resource.type=\"cloud_run_job\" AND metric.labels.result=\"failed\" AND resource.labels.job_name=starts_with(\"renewd-\")"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_DELTA"
      }
    }
  }

  documentation {
    content   = "Its log says why and what to type. What is due stays due: docs/OPERATIONS.md#run-failed"
    mime_type = "text/markdown"
  }
}
