output "database" {
  description = "For the host in renewd-database-url: /cloudsql/ and this."
  value       = google_sql_database_instance.renewd.connection_name
}

output "jobs" {
  description = "For gcloud run jobs execute."
  value       = { for key, job in google_cloud_run_v2_job.renewd : key => job.name }
}

output "daemon" {
  description = "The page; PortOne's console gets it with /webhooks/portone behind it."
  value       = one(google_cloud_run_v2_service.daemon[*].uri)
}
