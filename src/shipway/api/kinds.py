"""The kinds our engines name in code. Everything else is found by discovery at run time."""

from shipway.kube.objects.resource import Resource

NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
NODES = Resource("", "v1", "Node", "nodes", namespaced=False)
PODS = Resource("", "v1", "Pod", "pods")
SERVICES = Resource("", "v1", "Service", "services")
SECRETS = Resource("", "v1", "Secret", "secrets", status_subresource=False)
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", status_subresource=False)
SERVICE_ACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts", status_subresource=False)
EVENTS = Resource("", "v1", "Event", "events", status_subresource=False)
POD_TEMPLATES = Resource("", "v1", "PodTemplate", "podtemplates", status_subresource=False)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments")
STATEFUL_SETS = Resource("apps", "v1", "StatefulSet", "statefulsets")
DAEMON_SETS = Resource("apps", "v1", "DaemonSet", "daemonsets")
REPLICA_SETS = Resource("apps", "v1", "ReplicaSet", "replicasets")
JOBS = Resource("batch", "v1", "Job", "jobs")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", status_subresource=False)
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", status_subresource=False)
CRDS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)

APPLICATIONS = Resource("argoproj.io", "v1alpha1", "Application", "applications", status_subresource=False)
APP_PROJECTS = Resource("argoproj.io", "v1alpha1", "AppProject", "appprojects", status_subresource=False)
APPLICATION_SETS = Resource("argoproj.io", "v1alpha1", "ApplicationSet", "applicationsets")
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "Rollout", "rollouts")
EXPERIMENTS = Resource("argoproj.io", "v1alpha1", "Experiment", "experiments", status_subresource=False)
ANALYSIS_RUNS = Resource("argoproj.io", "v1alpha1", "AnalysisRun", "analysisruns", status_subresource=False)
ANALYSIS_TEMPLATES = Resource("argoproj.io", "v1alpha1", "AnalysisTemplate", "analysistemplates", status_subresource=False)
CLUSTER_ANALYSIS_TEMPLATES = Resource(
    "argoproj.io", "v1alpha1", "ClusterAnalysisTemplate", "clusteranalysistemplates", namespaced=False, status_subresource=False
)
VERIFICATION_RULES = Resource(
    "shipway.dev", "v1alpha1", "VerificationRule", "verificationrules", namespaced=False, status_subresource=False
)
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
GRPC_ROUTES = Resource("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes")
GATEWAYS = Resource("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
INGRESSES = Resource("networking.k8s.io", "v1", "Ingress", "ingresses")
VIRTUAL_SERVICES = Resource("networking.istio.io", "v1", "VirtualService", "virtualservices")
DESTINATION_RULES = Resource("networking.istio.io", "v1", "DestinationRule", "destinationrules")
TRAFFIC_SPLITS = Resource("split.smi-spec.io", "v1alpha3", "TrafficSplit", "trafficsplits", status_subresource=False)
MAPPINGS = Resource("getambassador.io", "v2", "Mapping", "mappings")
APP_MESH_SERVICES = Resource("appmesh.k8s.aws", "v1beta2", "VirtualService", "virtualservices")
APP_MESH_ROUTERS = Resource("appmesh.k8s.aws", "v1beta2", "VirtualRouter", "virtualrouters")
APP_MESH_NODES = Resource("appmesh.k8s.aws", "v1beta2", "VirtualNode", "virtualnodes")
TRAEFIK_SERVICES = Resource("traefik.io", "v1alpha1", "TraefikService", "traefikservices", status_subresource=False)
