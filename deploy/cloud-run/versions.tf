terraform {
  required_version = ">= 1.5"

  required_providers {
    # check holds every name in these files against the schema of 6.50.
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}
