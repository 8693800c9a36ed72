"""The kinds that only the built-in controllers name; the others are in `shipway.api.kinds`."""

from shipway.kube.objects.resource import Resource

CONTROLLER_REVISIONS = Resource("apps", "v1", "ControllerRevision", "controllerrevisions", status_subresource=False)
ENDPOINTS = Resource("", "v1", "Endpoints", "endpoints", status_subresource=False)
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
CRON_JOBS = Resource("batch", "v1", "CronJob", "cronjobs")
