"""The CronJob controller: a Job for every moment of a schedule."""
