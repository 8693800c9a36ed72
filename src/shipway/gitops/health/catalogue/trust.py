"""Certificates and secrets: cert-manager, External Secrets, Sealed Secrets, Vault."""

from shipway.gitops.health.rules import Rule, condition, conditions_of, first_of, phase, ready
from shipway.gitops.health.verdicts import Health, degraded, healthy
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig

_FAILED_ORDER = ("invalid", "expired", "errored")


def _external_secret(obj: Obj) -> Health | None:
    """With refresh policy OnChange a condition counts only if it is not older than the last refresh."""
    if dig(obj, "spec", "refreshPolicy") != "OnChange":
        return None
    refreshed = dig(obj, "status", "refreshTime", default="")
    stale = [one for one in conditions_of(obj, "Ready") if one.get("lastTransitionTime", "") < refreshed]
    return Health("Progressing", "Waiting for the changed ExternalSecret") if stale else None


def _vault_secret(obj: Obj) -> Health:
    """The operator writes the secret's MAC once it could read it, and nothing but events when it cannot."""
    if dig(obj, "status", "secretMAC"):
        return healthy("The secret was found")
    return degraded("Vault refuses the service account, or has no such secret: the object's events say which")


_ISSUER = ready("Waiting for the issuer")
_ORDER = phase("state", healthy=("valid",), degraded=_FAILED_ORDER, message=("reason",), waiting="Waiting for the order")

KINDS: dict[tuple[str, str], Rule] = {
    ("cert-manager.io", "Certificate"): first_of(
        condition("Issuing", "True", "Progressing"),
        condition("Ready", "False", "Degraded"),
        condition("Ready", "True", "Healthy"),
        otherwise="Waiting for the certificate",
    ),
    ("cert-manager.io", "CertificateRequest"): first_of(
        condition("Denied", "True", "Degraded"),
        condition("InvalidRequest", "True", "Degraded"),
        condition("Ready", "False", "Degraded", reasons=("Failed", "Denied")),
        condition("Ready", "True", "Healthy"),
        otherwise="Waiting for the certificate to be signed",
    ),
    ("cert-manager.io", "Issuer"): _ISSUER,
    ("cert-manager.io", "ClusterIssuer"): _ISSUER,
    ("acme.cert-manager.io", "Order"): _ORDER,
    ("acme.cert-manager.io", "Challenge"): _ORDER,
    ("external-secrets.io", "ExternalSecret"): first_of(
        _external_secret, ready("Waiting for the ExternalSecret"), otherwise="Waiting for the ExternalSecret"
    ),
    ("external-secrets.io", "ClusterExternalSecret"): ready("Waiting for the ClusterExternalSecret"),
    ("external-secrets.io", "PushSecret"): ready("Waiting for the PushSecret"),
    ("external-secrets.io", "SecretStore"): ready("Waiting for the store"),
    ("external-secrets.io", "ClusterSecretStore"): ready("Waiting for the store"),
    ("bitnami.com", "SealedSecret"): ready("Waiting for the sealed secret to be decrypted", kind="Synced"),
    ("secrets.hashicorp.com", "VaultStaticSecret"): _vault_secret,
}
